"""When a sync is given up: a passing problem is waited for, a lasting one is reported; another release is refused."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from pipeline.argocd import application, failures, install, sync
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.kubernetes import workload
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference


def pod(reason: str, message: str, *, kind: str = "containerStatuses") -> dict[str, Any]:
    waiting = {"reason": reason, "message": message}
    return {
        "metadata": {"creationTimestamp": f"{application.now():%Y-%m-%dT%H:%M:%SZ}"},
        "status": {kind: [{"name": "one", "state": {"waiting": waiting}}]},
    }


def reason(pod: dict[str, Any], age: float = 0) -> tuple[str, str]:
    """Why a pod of that age, in seconds, does not start."""
    return workload.terminal_reason(pod, application.now() + timedelta(seconds=age))


@pytest.mark.parametrize("kind", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_cannot_start_ends_the_sync(kind: str) -> None:
    missing = pod("CreateContainerConfigError", 'secret "database" not found', kind=kind)
    assert reason(missing) == (
        "CreateContainerConfigError",
        'secret "database" not found',
    )


def test_a_late_configuration_is_waited_for() -> None:
    late = pod(
        "CreateContainerConfigError",
        "failed to sync configmap cache: timed out waiting for the condition",
    )
    assert reason(late) == ("", "")


def test_a_registry_that_is_busy_for_a_moment_is_waited_for() -> None:
    pulling = pod("ErrImagePull", "pull QPS exceeded")
    assert reason(pulling) == ("", "")
    assert reason(pulling, age=65) == ("ErrImagePull", "pull QPS exceeded")
    # It waited for a node first.
    made = application.now() - timedelta(minutes=5)
    pulling["metadata"]["creationTimestamp"] = made.isoformat()
    pulling["status"]["startTime"] = application.now().isoformat()
    assert reason(pulling) == ("", "")


def test_a_container_that_is_being_started_is_waited_for() -> None:
    assert reason(pod("ContainerCreating", "")) == ("", "")
    assert reason({**pod("", ""), "status": {"phase": "Pending"}}) == ("", "")


PROMOTED, NEWEST = "a" * 40, "b" * 40


def compared(source: dict[str, Any]) -> dict[str, Any]:
    """An Application that was compared with, and synced to, a source at the promoted revision."""
    return {
        "spec": {"source": source},
        "status": {
            "sync": {
                "status": "Synced",
                "revision": PROMOTED,
                "comparedTo": {"source": source},
            },
            "health": {"status": "Healthy"},
            "operationState": {
                "phase": "Succeeded",
                "syncResult": {"revision": PROMOTED, "source": source},
            },
        },
    }


def test_a_promoted_revision_is_live_with_the_values_of_the_newest_file_alone() -> None:
    before = {"revision": PROMOTED, "image": {"digest": "one"}}
    content = {"revision": PROMOTED, "image": {"digest": "two"}}
    wanted = application.wanted(NEWEST, content)
    for values, live in ((before, False), (content, True)):
        state = compared({"helm": {"values": json.dumps(values), "parameters": []}})
        assert application.is_live(state, wanted) is live
        assert (application.operation_revision(state) == wanted) is live


def test_what_go_writes_otherwise_is_the_same_value() -> None:
    content = {"revision": PROMOTED, "none": None, "seconds": 2.0, "list": [0.5, 3.0]}
    text = '{"none": null, "seconds": 2, "list": [0.5, 3], "revision": "%s"}'
    state = compared({"helm": {"values": text % PROMOTED}})
    assert application.is_live(state, application.wanted(NEWEST, content))


@pytest.mark.parametrize(
    ("prune", "others", "live"),
    [(False, "Synced", True), (False, "OutOfSync", False), (True, "Synced", False)],
)
def test_what_only_people_delete_keeps_no_release_from_being_live(
    prune: bool, others: str, live: bool
) -> None:
    """Argo CD calls the whole OutOfSync as long as one resource is there that Git no longer has."""
    state = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    state["spec"]["syncPolicy"] = {"automated": {"prune": prune, "selfHeal": True}}
    state["status"]["sync"]["status"] = "OutOfSync"
    left = {"kind": "HorizontalPodAutoscaler", "name": "shop", "status": "OutOfSync"}
    state["status"]["resources"] = [
        {**left, "requiresPruning": True},
        {"kind": "Deployment", "name": "shop", "status": others},
        {"kind": "Job", "name": "a-hook"},
    ]
    assert application.is_live(state, PROMOTED) is live
    assert application.kept(state) == ([] if prune else ["HorizontalPodAutoscaler shop"])


def test_a_sync_may_take_as_long_as_its_environment_allows() -> None:
    few = sync.patience({"replicaCount": 2})
    assert sync.patience({"replicaCount": 2, "revision": PROMOTED}) == few + 360
    assert (
        sync.patience({"replicaCount": 2, "rollout": {"progressDeadlineSeconds": 600}}) == few + 420
    )
    assert sync.patience({"replicaCount": 2, "migrations": {"timeoutSeconds": 900}}) == few + 900
    assert sync.patience({"replicaCount": 2, "autoscaling": {"maxReplicas": 10}}) == few + 480


def test_an_environment_that_follows_main_is_live_at_its_commit() -> None:
    wanted = application.wanted(PROMOTED, {"revision": None})
    assert wanted == PROMOTED
    assert application.is_live(compared({"helm": {"valueFiles": ["/one.yaml"]}}), wanted)


def test_a_branch_that_cannot_be_rendered_is_at_no_commit() -> None:
    """Git would take the branch's name for a commit that contains every release, and an old error for a new one."""
    state = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    state["status"]["sync"] |= {"revision": "main", "status": "Unknown"}
    assert not application.revision(state)
    assert not application.is_live(state, PROMOTED)


def test_a_sync_under_way_is_looked_at_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that Argo CD takes up to five seconds from a hook that has ended to the next one."""
    live = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    under_way = {**live, "status": {**live["status"], "operationState": {"phase": "Running"}}}
    under_way["status"]["operationState"] |= {"syncResult": {"revision": PROMOTED}}
    left = [under_way] * 20
    asked: list[int] = []
    monkeypatch.setattr(application, "get", lambda *_: left.pop() if left else live)
    monkeypatch.setattr(application, "hurry", lambda *_: asked.append(len(left)))
    monkeypatch.setattr(failures, "failure", lambda *_, **__: None)
    monkeypatch.setattr(sync, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(sync, "HURRY_SECONDS", 0.03)
    sync.await_synced(
        *(Cluster("any", None, local=True), "local", PROMOTED),
        contains=lambda commit: commit == PROMOTED,
        start=False,
        image=None,
        on_change=lambda _: None,
    )
    assert 0 < len(asked) < 15


OWN = ImageReference("registry.example.com/shop", f"sha256:{'a' * 64}")


def refused(image: str, phase: str) -> dict[str, Any]:
    """An Application whose last sync met the admission of images."""
    state = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    state["spec"]["syncPolicy"] = {"automated": {"prune": True}, "syncOptions": []}
    message = (
        f"deployments.apps is forbidden: denied request: {image} is not admitted: the pipeline"
    )
    resources = [{"kind": "Deployment", "name": "shop", "status": "SyncFailed", "message": message}]
    result = {"revision": PROMOTED, "resources": resources}
    operation = {"phase": phase, "message": "one or more objects failed", "syncResult": result}
    state["status"] |= {"operationState": operation}
    state["status"]["sync"]["status"] = "OutOfSync"
    return state


def synced(
    monkeypatch: pytest.MonkeyPatch, *states: dict[str, Any], pods: Sequence[dict[str, Any]] = ()
) -> int:
    """How many syncs are started while these states are seen, and then one that is live."""
    live = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    left, started = list(states), []
    monkeypatch.setattr(application, "get", lambda *_: left.pop(0) if left else live)
    monkeypatch.setattr(application, "start_sync", lambda _, state: started.append(state))
    monkeypatch.setattr(Cluster, "items", lambda _, kind, *__: pods if kind == "pods" else [])
    monkeypatch.setattr(sync, "POLL_SECONDS", 0.01)
    sync.await_synced(
        *(Cluster("any", None, local=True), "local", PROMOTED),
        contains=lambda commit: commit == PROMOTED,
        start=False,
        image=OWN,
        on_change=lambda _: None,
    )
    return len(started)


def test_argo_cd_may_be_quicker_than_the_list_of_admitted_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has failed to compare, has given up a sync or tries again: the image is listed before a sync is waited for."""
    refreshed: list[str] = []
    monkeypatch.setattr(application, "refresh", lambda _, name: refreshed.append(name))
    assert synced(monkeypatch, refused(str(OWN), "Failed")) == 1
    refreshed.clear()
    compared_before = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    message = f"error calculating server side diff: denied request: {OWN} is not admitted: the"
    compared_before["status"]["conditions"] = [{"type": "ComparisonError", "message": message}]
    compared_before["status"]["sync"]["status"] = "Unknown"
    assert synced(monkeypatch, compared_before) == 0
    assert refreshed == ["local"]
    trying = refused(str(OWN), "Running")
    trying["status"]["operationState"]["message"] += " Retrying attempt #1 at 8:00PM."
    assert synced(monkeypatch, trying, trying) == 0


@pytest.mark.parametrize("image", ["docker.io/library/postgres:16", f"{OWN.repository}:latest"])
def test_an_image_that_is_not_admitted_fails_the_sync(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PipelineError, match=rf"Deployment shop failed: .*{image} is not admitted"):
        synced(monkeypatch, refused(image, "Failed"))


@pytest.mark.parametrize(
    ("component", "ran", "ago", "fails"),
    [
        ("web", 30, 0, True),
        ("evicted", 30, 0, False),  # by its node, for a drain or for want of memory
        ("web", 2, 0, False),  # it waited for a database, say
        ("web", 30, 600, False),  # long before this sync
        ("trial", 30, 0, True),
        ("analysis", 30, 0, False),  # a Job's pods end
    ],
)
def test_a_pod_that_has_served_and_ended_fails_the_sync(
    component: str, ran: int, ago: int, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started again it is ready at once, until it ends the next time: by its health it cannot be told."""
    over = application.now() + timedelta(seconds=1 - ago)
    times = {"startedAt": over - timedelta(seconds=ran), "finishedAt": over}
    end = {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()}
    terminated = {**end, "reason": "OOMKilled", "exitCode": 137}
    container = {"name": "shop", "ready": True, "state": {"running": {}}}
    there = {
        "metadata": {
            "name": "shop-1",
            "labels": {"app.kubernetes.io/component": component.replace("evicted", "web")},
            "creationTimestamp": times["startedAt"].isoformat(),
        },
        "spec": {"containers": [{"image": str(OWN)}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "DisruptionTarget", "status": str(component == "evicted")}],
            "containerStatuses": [{**container, "lastState": {"terminated": terminated}}],
        },
    }
    under_way = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    under_way["status"] |= {"health": {"status": "Progressing"}}
    cause = rf"pod shop-1 ended after {ran} s \(OOMKilled, exit code 137\)"
    context = pytest.raises(PipelineError, match=cause) if fails else nullcontext()
    with context:
        synced(monkeypatch, under_way, pods=[there])


@pytest.mark.parametrize("began", [None, workload.NEVER])
def test_the_end_of_a_container_that_never_ran_is_none(began: str | None) -> None:
    over = application.now().isoformat()
    lost = {"terminated": {"startedAt": began, "finishedAt": began and over, "exitCode": 137}}
    pod = {"status": {"containerStatuses": [{"lastState": lost}]}}
    assert workload.ended(pod, application.now() - timedelta(hours=1)) == ""


def test_a_cluster_that_was_made_for_another_release_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def controller(image: str) -> dict[str, Any]:
        return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}

    present = {"image": f"quay.io/argoproj/argocd:{install.version()}"}
    monkeypatch.setattr(Cluster, "get", lambda *_: controller(present["image"]))
    local, own = (Cluster("any", None, local=local) for local in (True, False))
    assert install.release(local) == install.version()
    present["image"] = "quay.io/argoproj/argocd:v3.2.6"
    assert install.release(own) == "v3.2.6"
    with pytest.raises(PipelineError, match=r"was made for Argo CD v3\.2\.6, not v"):
        install.release(local)


def test_what_is_degraded_already_fails_a_sync_that_has_nothing_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as a refused canary that is asked for again: Argo CD starts no sync for it."""
    state = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    state["status"]["health"] = {"status": "Degraded"}
    health = {"status": "Degraded", "message": "ProgressDeadlineExceeded"}
    state["status"]["resources"] = [{"kind": "Deployment", "name": "shop", "health": health}]
    state["status"]["operationState"]["syncResult"]["revision"] = NEWEST  # of an earlier commit
    monkeypatch.setattr(failures, "DEGRADED_SECONDS", 0.05)
    with pytest.raises(PipelineError, match="Deployment shop is degraded: ProgressDeadline"):
        synced(monkeypatch, *[state] * 50)


def test_a_budget_that_cannot_count_for_a_moment_fails_no_sync(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a pod ends whose ReplicaSet is gone, and an autoscaler before the first figures of new pods."""
    resources = [
        {"kind": kind, "name": "shop", "health": {"status": "Degraded"}}
        for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler")
    ]
    state = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    state["status"] |= {"health": {"status": "Degraded"}, "resources": resources}
    monkeypatch.setattr(failures, "DEGRADED_SECONDS", 0.01)
    synced(monkeypatch, *[state] * 5)
    monkeypatch.setattr(failures, "COMPUTED_SECONDS", 0.01)
    with pytest.raises(PipelineError, match="PodDisruptionBudget shop is degraded"):
        synced(monkeypatch, *[state] * 5)


def test_argo_cd_tries_again_what_only_a_budget_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*kinds: str) -> dict[str, Any]:
        state = refused(str(OWN), "Running")
        operation = state["status"]["operationState"]
        operation["message"] += " Retrying attempt #1 at 8:00PM."
        operation["syncResult"]["resources"] = [
            {"kind": kind, "name": "shop", "status": "Synced", "hookPhase": phase}
            for kind, phase in ({"ConfigMap": "Succeeded"} | dict.fromkeys(kinds, "Failed")).items()
        ]
        return state

    synced(monkeypatch, failing("PodDisruptionBudget"))
    with pytest.raises(PipelineError, match="PodDisruptionBudget shop failed"):
        synced(monkeypatch, failing("PodDisruptionBudget", "Deployment"))


def test_a_job_that_has_succeeded_says_nothing_of_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its pods' names begin with the Rollout's."""
    state = refused(str(OWN), "Failed")
    message = "The Rollout is invalid: AnalysisTemplate 'shop-canary' not found"
    result = {"kind": "Rollout", "name": "shop", "status": "Synced", "hookPhase": "Failed"}
    state["status"]["operationState"]["syncResult"]["resources"] = [result | {"message": message}]
    monkeypatch.setattr(Cluster, "run", lambda *_, **__: "migrate: nothing to do")
    container = {"name": "migrate", "ready": False, "state": {"terminated": {"exitCode": 0}}}
    migrated = {
        "metadata": {"name": "shop-migrate-1", "labels": {}, "creationTimestamp": ""},
        "spec": {"containers": [{"image": str(OWN)}]},
        "status": {"phase": "Succeeded", "containerStatuses": [container]},
    }
    with pytest.raises(PipelineError, match=f"Rollout shop failed: {message}"):
        synced(monkeypatch, state, pods=[migrated])


def degraded(**seen: str) -> dict[str, Any]:
    """An Application with resources that are Degraded, by kind, after its sync."""
    state = compared({"helm": {"valueFiles": ["/one.yaml"]}})
    health = {"status": "Degraded", "message": "refused"}
    resources = [{"kind": kind, "name": name, "health": health} for kind, name in seen.items()]
    state["status"] |= {"health": {"status": "Degraded"}, "resources": resources}
    return state


def test_each_resource_has_its_own_time_of_being_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "DEGRADED_SECONDS", 0.1)
    budget = degraded(PodDisruptionBudget="shop")
    synced(monkeypatch, *[budget] * 20, degraded(PodDisruptionBudget="shop", Rollout="shop"))


def test_what_was_degraded_before_a_sync_is_not_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way back begins at a refused version, and Argo CD looks again only when the sync is over."""
    monkeypatch.setattr(failures, "DEGRADED_SECONDS", 0.01)
    state = degraded(Deployment="shop")
    state["status"]["operationState"]["finishedAt"] = "2026-11-28T10:00:00Z"
    state["status"]["reconciledAt"] = "2026-11-28T09:59:00Z"
    synced(monkeypatch, *[state] * 5)
    state["status"]["reconciledAt"] = "2026-11-28T10:00:00Z"
    with pytest.raises(PipelineError, match="Deployment shop is degraded: refused"):
        synced(monkeypatch, *[state] * 5)


def test_an_api_server_that_is_started_again_ends_no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(said: str) -> None:
        live = compared({"helm": {"valueFiles": ["/one.yaml"]}})
        answers: list[Exception | dict[str, Any]] = [live]
        answers.insert(
            0, CommandFailedError("kubectl", next_step="", log=None, code=1, tail=[said])
        )

        def get(*_: object) -> dict[str, Any]:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(application, "get", get)
        sync.await_synced(
            *(Cluster("any", None, local=True), "local", PROMOTED),
            contains=lambda commit: commit == PROMOTED,
            start=False,
            image=OWN,
            on_change=lambda _: None,
        )

    asked("The connection to the server 127.0.0.1 was refused - did you specify the right host?")
    with pytest.raises(CommandFailedError):
        asked("error: You must be logged in to the server (Unauthorized)")
    monkeypatch.setattr(sync, "UNREACHED_SECONDS", -1)
    with pytest.raises(CommandFailedError):
        asked("Unable to connect to the server: EOF")
