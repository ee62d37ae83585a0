"""Looking at an environment on the local AWS neither starts the local AWS nor restarts it."""

import pytest

from pipeline.aws import account, localaws
from pipeline.commands import drift
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.targets import ecs


@pytest.fixture
def not_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(**_: bool) -> None:
        pytest.fail("the local AWS was started")

    monkeypatch.setattr(localaws, "start", start)
    monkeypatch.setattr(localaws, "running", lambda: False)


@pytest.mark.usefixtures("not_running")
def test_what_does_not_run_is_not_started() -> None:
    local = environments.load("local")
    assert account.existing_account(local) is None
    assert ecs.observe(local) is None
    assert ecs.last_lines(local) == []
    assert drift._ecs(local) == ([], "")
    with pytest.raises(PipelineError, match="local does not run on ECS"):
        ecs.verify(local)


@pytest.mark.engine
@pytest.mark.usefixtures("running")
def test_what_runs_with_other_settings_is_not_restarted() -> None:
    localaws.start("--cpu-quota")
    before = localaws.status()["pid"]
    try:
        assert account.existing_account(environments.load("local")) is not None
        assert localaws.status()["pid"] == before
    finally:
        localaws.start()
    assert localaws.status()["pid"] != before, "the setting outlives its option"
