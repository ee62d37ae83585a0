"""`./inv drift` on Kubernetes: what was not compared is no agreement."""

import pytest

from pipeline.argocd import application
from pipeline.aws import account
from pipeline.commands import drift
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.kubernetes import cluster
from pipeline.targets import ecs, kubernetes
from pipeline.targets.state import State

UNREACHABLE = CommandFailedError(
    "kubectl failed", next_step="", log=None, code=1, tail=["dial tcp: i/o timeout"]
)


def test_without_a_cluster_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find", lambda: None)
    monkeypatch.delenv("KUBERNETES_ENABLED", raising=False)
    assert kubernetes.drift("staging") == ([], False)
    monkeypatch.setattr(account, "existing_account", lambda _: None)
    assert drift.run("local").headline == "local is what Git says; Kubernetes: NOT COMPARED"


def test_a_promised_cluster_without_access_is_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "find", lambda: None)
    monkeypatch.setenv("KUBERNETES_ENABLED", "true")
    line = "Kubernetes: NOT COMPARED (no cluster is in use)"
    assert kubernetes.drift("staging") == ([line], False)


def test_a_cluster_that_does_not_answer_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(*_arguments: str) -> None:
        raise UNREACHABLE

    monkeypatch.setattr(cluster, "find", lambda: cluster.LOCAL)
    monkeypatch.setattr(application, "get", get)
    line = "Kubernetes: NOT COMPARED (dial tcp: i/o timeout)"
    assert kubernetes.drift("staging") == ([line], False)


def test_engines_that_run_different_images_are_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each may be what its own tool wants: the plan of one digest, the commit of another."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(account, "existing_account", lambda _: None)
    monkeypatch.setattr(kubernetes, "drift", lambda _: ([], True))
    for target, digit in ((ecs, "1"), (kubernetes, "2")):
        image = f"registry.example/shop@sha256:{digit * 64}"
        state = State("", image, "", healthy=True, replicas=2)
        monkeypatch.setattr(target, "observe", lambda _, state=state: state)
    with pytest.raises(PipelineError, match=f"ecs runs {'1' * 12}, kubernetes runs {'2' * 12}"):
        drift.run("local")
