"""A canary on Kubernetes as the tasks read it: the Rollout in the Deployment's place, and why it was refused."""

import json
from typing import Any

import pytest

from pipeline.argocd import application, canary, failures
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.kubernetes import workload
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.project import project

CLUSTER = Cluster("any", None, local=False)
NAME, PLACE = project().name, application.namespace("staging")
SAID = "canary refused: more than 5 percent errors; asked here: 21.4 percent of 140 requests"
POD = {
    "metadata": {"name": "5a1b.canary.1-x7", "labels": {}},
    "spec": {"containers": [{"name": "analysis", "image": "shop@sha256:new"}]},
    "status": {"phase": "Failed", "containerStatuses": [{"name": "analysis", "ready": False}]},
}


def workload_of(kind: str, image: str) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"image": image}]}}}
    return {"kind": kind, "metadata": {"name": NAME}, "spec": spec}


def analysis(name: str, phase: str, job: str, at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """A run under the name that Argo Rollouts gives it: version, revision and step; of a trial with its name."""
    measured = {"phase": phase, "metadata": {"job-name": job}}
    return {
        "metadata": {"name": f"{NAME}-{name}", "creationTimestamp": at},
        "status": {"phase": phase, "metricResults": [{"measurements": [measured]}]},
    }


class Kubectl:
    """Answers ``kubectl`` from objects by kind; a kind that is not there is one that the cluster does not know."""

    def __init__(self, **kinds: list[dict[str, Any]]) -> None:
        self.kinds = kinds
        self.known = ""

    def __call__(self, cluster: Cluster, *arguments: str, stdin: str | None = None) -> str:
        if "logs" in arguments:
            return f"within the limits\n{SAID}\n"
        if arguments[0] == "api-resources":
            return self.known
        if arguments[0] != "get":
            return ""
        kind = arguments[1].partition(".")[0]
        found = self.kinds.get(kind)
        if found is None:
            tail = [f"error: the server doesn't have a resource type {kind!r}"]
            raise CommandFailedError("kubectl", next_step="", log=None, code=1, tail=tail)
        if arguments[2].startswith("--"):
            return json.dumps({"items": found})
        if not found:
            tail = ["Error from server (NotFound)"]
            raise CommandFailedError("kubectl", next_step="", log=None, code=1, tail=tail)
        return json.dumps(found[0])


def answer(monkeypatch: pytest.MonkeyPatch, **kinds: list[dict[str, Any]]) -> Kubectl:
    kubectl = Kubectl(**kinds)

    def run(cluster: Cluster, *arguments: str, stdin: str | None = None) -> str:
        return kubectl(cluster, *arguments, stdin=stdin)

    monkeypatch.setattr(Cluster, "run", run)
    return kubectl


def leaving(image: str) -> dict[str, Any]:
    """A Deployment that a canary has taken the place of, while its last pod ends."""
    deployment = workload_of("Deployment", image)
    deployment["metadata"]["deletionTimestamp"] = "2026-11-27T11:00:00Z"
    return deployment


@pytest.mark.parametrize(
    ("kinds", "image"),
    [
        ({"deployment": [workload_of("Deployment", "one")]}, "one"),  # and no Argo Rollouts
        ({"deployment": [], "rollouts": [workload_of("Rollout", "two")]}, "two"),
        ({"deployment": [leaving("one")], "rollouts": [workload_of("Rollout", "two")]}, "two"),
        ({"deployment": [], "rollouts": []}, None),
        ({"deployment": []}, None),
    ],
)
def test_what_runs_the_pods_is_a_deployment_or_a_rollout(
    monkeypatch: pytest.MonkeyPatch, kinds: dict[str, list[dict[str, Any]]], image: str | None
) -> None:
    answer(monkeypatch, **kinds)
    found = workload.find(CLUSTER, PLACE, NAME)
    assert (workload.image(found) if found else None) == image


def degraded(message: str) -> dict[str, Any]:
    """An Application whose Rollout was aborted."""
    health = {"status": "Degraded", "message": message}
    resources = [{"kind": "Rollout", "name": NAME, "health": health}]
    return {"spec": {"source": {}}, "status": {"resources": resources}}


def cause(message: str) -> str:
    found = failures.failure(
        CLUSTER,
        "staging",
        degraded(message),
        "a" * 40,
        None,
        degraded={f"Rollout {NAME}": failures.DEGRADED_SECONDS + 1},
        since=application.now(),
    )
    assert found is not None
    return found.cause


@pytest.mark.parametrize("run", ["new-3-0-trial", "new-3-2"])
def test_a_refused_canary_is_explained_by_the_judge_s_figures(
    monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    runs = [
        analysis(run, "Failed", "5a1b.canary.1", "2026-01-02T00:00:00Z"),
        analysis("new-2-2", "Failed", "earlier", "2026-01-01T00:00:00Z"),
        analysis("old-2-2", "Failed", "of-another-version", "2026-01-03T00:00:00Z"),
        analysis("new-3-1", "Successful", "accepted", "2026-01-03T00:00:00Z"),
    ]
    rollout = workload_of("Rollout", "two") | {"status": {"currentPodHash": "new"}}
    answer(monkeypatch, rollouts=[rollout], analysisruns=runs, pods=[POD], events=[])
    assert cause("RolloutAborted: it failed") == f"Rollout {NAME}: {SAID}"


def test_without_a_judge_the_rollout_s_own_message_is_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollout = workload_of("Rollout", "two") | {"status": {"currentPodHash": "new"}}
    answer(monkeypatch, rollouts=[rollout], analysisruns=[], pods=[], events=[])
    assert cause("timed out progressing") == f"Rollout {NAME} is degraded: timed out progressing"


@pytest.mark.parametrize(
    ("local", "name", "settings", "seconds"),
    [
        (False, "production", {"enabled": True}, 70),
        (False, "production", {"enabled": True, "seconds": 120}, 130),
        (False, "production", {"enabled": True, "seconds": 120, "trial": 30}, 150),
        (False, "production", {"enabled": False, "seconds": 120}, 0),
        (False, "production", None, 0),
        (True, "local", {"enabled": True}, 70),
        (True, "production", {"enabled": True}, 0),
    ],
)
def test_a_sync_has_the_time_of_the_canary_on_top(
    *, local: bool, name: str, settings: dict[str, Any] | None, seconds: float
) -> None:
    cluster = Cluster("any", None, local=local)
    assert canary.seconds(cluster, {"name": name, "canary": settings}) == seconds


def test_a_canary_waits_for_argo_rollouts_and_says_so_where_it_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kubectl = answer(monkeypatch)
    monkeypatch.setattr(canary, "INSTALL_SECONDS", 0.05)
    monkeypatch.setattr(canary, "POLL_SECONDS", 0.01)
    with pytest.raises(PipelineError, match=r"no Argo Rollouts, which canary\.enabled needs"):
        canary.require_kinds(CLUSTER)
    kubectl.known = "applications.argoproj.io\nrollouts.argoproj.io\n"
    canary.require_kinds(CLUSTER)
