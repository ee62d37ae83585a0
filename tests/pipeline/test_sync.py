"""When a sync is given up: a passing problem is waited for, a lasting one is reported."""

from typing import Any

import pytest

from pipeline.argocd import failures


def pod(reason: str, message: str, *, kind: str = "containerStatuses") -> dict[str, Any]:
    waiting = {"reason": reason, "message": message}
    return {"status": {kind: [{"name": "one", "state": {"waiting": waiting}}]}}


@pytest.mark.parametrize("kind", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_cannot_start_ends_the_sync(kind: str) -> None:
    missing = pod("CreateContainerConfigError", 'secret "database" not found', kind=kind)
    assert failures.terminal_reason(missing) == (
        "CreateContainerConfigError",
        'secret "database" not found',
    )


def test_a_late_configuration_is_waited_for() -> None:
    late = pod(
        "CreateContainerConfigError",
        "failed to sync configmap cache: timed out waiting for the condition",
    )
    assert failures.terminal_reason(late) == ("", "")


def test_a_container_that_is_being_started_is_waited_for() -> None:
    assert failures.terminal_reason(pod("ContainerCreating", "")) == ("", "")
    assert failures.terminal_reason({"status": {"phase": "Pending"}}) == ("", "")
