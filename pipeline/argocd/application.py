"""An environment's Application: its names, its state as the API server returns it, and requests to Argo CD."""

import functools
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.core.errors import CommandFailedError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases import history
from pipeline.releases.desired import Desired
from pipeline.releases.project import project

#: Argo CD's own namespace.
NAMESPACE = "argocd"
KIND = "applications.argoproj.io"
REFRESH = "argocd.argoproj.io/refresh"
COMMIT = re.compile(r"[0-9a-f]{40}")
#: Argo CD's own interval (``timeout.reconciliation`` and its jitter), with a margin.
POLL = timedelta(minutes=5)


def name(environment: str) -> str:
    """The Application of an environment."""
    return f"{project().name}-{environment}"


def namespace(environment: str) -> str:
    """The namespace that an environment runs in."""
    return f"{project().name}-{environment}"


def get(cluster: Cluster, environment: str) -> dict[str, Any] | None:
    """The environment's Application; None when there is none."""
    return cluster.get(KIND, name(environment), NAMESPACE)


def refresh(cluster: Cluster, environment: str) -> bool:
    """Makes Argo CD look at Git now instead of at its next poll: for the environment, its generator and the root.

    What this account may not ask for waits for the poll; True where the environment's request was taken.
    """
    refresh_generator(cluster, "environments")
    return _annotate(cluster, KIND, name(environment), f"{REFRESH}=normal")


def refresh_generator(cluster: Cluster, generator: str) -> None:
    """The same for an ApplicationSet and the root."""
    _annotate(cluster, KIND, "root", f"{REFRESH}=normal")
    generate = "argocd.argoproj.io/application-set-refresh=true"
    _annotate(cluster, "applicationsets.argoproj.io", generator, generate)


def _annotate(cluster: Cluster, kind: str, resource: str, annotation: str) -> bool:
    """Whether the resource is there and this account may annotate it."""
    try:
        cluster.run("-n", NAMESPACE, "annotate", "--overwrite", kind, resource, annotation)
    except CommandFailedError as error:
        if not re.search("NotFound|Forbidden", " ".join(error.tail)):
            raise
        return False
    return True


def hurry(cluster: Cluster, environment: str) -> None:
    """Makes Argo CD look now at the sync that runs: it takes changes in the cluster together for five seconds.

    Any change of the Application does, as ``applicationEventHandlerFuncs`` of its controller has it.
    """
    looked = f"delivery/waited-for={datetime.now(UTC):%H%M%S}"
    cluster.run("-n", NAMESPACE, "annotate", "--overwrite", KIND, name(environment), looked)


def terminate(cluster: Cluster, environment: str) -> None:
    """Ends the sync that runs."""
    _patch(cluster, name(environment), {"status": {"operationState": {"phase": "Terminating"}}})


def start_sync(cluster: Cluster, application: dict[str, Any]) -> None:
    """Starts a sync to what was compared last, as a person would: a window with ``manualSync`` lets it pass."""
    policy = application["spec"]["syncPolicy"]
    sync = {
        "revision": application["status"]["sync"]["revision"],
        "prune": policy["automated"]["prune"],
        "syncOptions": policy["syncOptions"],
    }
    # Argo CD merges the new state into the last one's, which may have been its own: `automated` would stay.
    change = {"operation": {"sync": sync}, "status": {"operationState": None}}
    _patch(cluster, application["metadata"]["name"], change)


def compare(cluster: Cluster, environment: str) -> bool:
    """Whether Argo CD compares Git and cluster within a minute, or did so at its last poll."""
    since = now()
    if not refresh(cluster, environment):
        since -= POLL
    return wait(lambda: reconciled(get(cluster, environment), since), timeout=60)


def wanted(commit: str, content: dict[str, Any]) -> str:
    """What ``revision`` returns of an Application at a commit, given the content of the environment's file there."""
    promoted = content.get("revision")
    # As argocd/apps/base/environments.yaml leaves it out: it is no value of the chart's.
    return _with_values(promoted, history.state(content)) if promoted else commit


def contains(source: Desired, commit: str, environment: str, later: str) -> bool:
    """Whether a state as of ``revision`` is a release's own, or a later one that still runs its image."""
    content = history.at(commit, environment, root=source.root)
    if not content.get("revision"):
        return history.contains(source, later, commit, environment)
    newest = history.at(source.tip(), environment, root=source.root)
    same = newest["image"] == content["image"]
    return later == wanted(commit, content) or (same and later == wanted(commit, newest))


def contained(source: Desired, commit: str, environment: str) -> Callable[[str], bool]:
    """``contains`` of a release, asked once for each state; after a fetch that failed it is asked again."""
    answer = functools.cache(functools.partial(contains, source, commit, environment))

    def asked(later: str) -> bool:
        with suppress(CommandFailedError):
            return answer(later)
        return False

    return asked


def revision(application: dict[str, Any]) -> str:
    """What it was compared with last: a commit, with a hash of the values that are not of that commit, ``-…``.

    Empty before the first time.
    """
    sync = application.get("status", {}).get("sync", {})
    return _at(sync.get("revision", ""), sync.get("comparedTo", {}).get("source", {}))


def health(application: dict[str, Any]) -> str:
    """``Healthy``, ``Progressing``, ``Degraded``, …; empty where it is not known yet."""
    return str(application.get("status", {}).get("health", {}).get("status", ""))


def operation(application: dict[str, Any]) -> dict[str, Any]:
    """The sync that runs, or ran last; empty before the first one."""
    state: dict[str, Any] = application.get("status", {}).get("operationState") or {}
    return state


def operation_revision(application: dict[str, Any]) -> str:
    """What that sync leads to, as of ``revision``; empty when there was none."""
    state = operation(application)
    result = state.get("syncResult") or (state.get("operation") or {}).get("sync") or {}
    return _at(result.get("revision", ""), result.get("source") or application["spec"]["source"])


def is_running(application: dict[str, Any]) -> bool:
    """Whether a sync is under way."""
    return operation(application).get("phase") in ("Running", "Terminating")


def is_settled(application: dict[str, Any]) -> bool:
    """Whether no sync is under way, and the state is one of after the last."""
    over = operation(application).get("finishedAt")
    seen = over is None or reconciled(application, datetime.fromisoformat(over))
    return seen and not is_running(application)


def degraded(application: dict[str, Any]) -> list[str]:
    """The resources that keep it from being Healthy for good, such as ``Rollout shop``."""
    resources = (
        application["status"].get("resources", []) if health(application) == "Degraded" else []
    )
    return [
        f"{each['kind']} {each['name']}"
        for each in resources
        if (each.get("health") or {}).get("status") == "Degraded"
    ]


def is_syncing(application: dict[str, Any]) -> bool:
    """Whether a sync to a commit that is known is under way, and nobody has ended it."""
    return operation(application).get("phase") == "Running" and bool(
        operation_revision(application)
    )


def differing(application: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources that are not as Git has them; with ``requiresPruning`` those that Git no longer has."""
    resources = application.get("status", {}).get("resources", [])
    return [each for each in resources if each.get("status") not in (None, "Synced")]


def kept(application: dict[str, Any]) -> list[str]:
    """What is not in Git any more, where deleting is left to people: ``Kind name``; empty where Argo CD deletes it."""
    automated = application["spec"].get("syncPolicy", {}).get("automated", {})
    left = [each for each in differing(application) if each.get("requiresPruning")]
    return [] if automated.get("prune") else [f"{each['kind']} {each['name']}" for each in left]


def is_synced(application: dict[str, Any]) -> bool:
    """Whether all that is in Git is in the cluster as it is there; what ``kept`` names is not in Git."""
    compared = application.get("status", {}).get("sync", {}).get("status")
    names = kept(application)
    only_kept = bool(names) and len(names) == len(differing(application))
    return compared == "Synced" or (compared == "OutOfSync" and only_kept)


def is_live(application: dict[str, Any], wanted: str) -> bool:
    """Whether it is synced and Healthy at a commit, and nothing is under way."""
    return (
        is_synced(application)
        and revision(application) == wanted
        and health(application) == "Healthy"
        and not is_running(application)
    )


def compared(application: dict[str, Any], since: datetime) -> bool:
    """Whether a comparison that was asked for after ``since`` is over: Argo CD then removes the request."""
    requested = REFRESH in (application["metadata"].get("annotations") or {})
    return not requested and reconciled(application, since)


def reconciled(application: dict[str, Any] | None, since: datetime) -> bool:
    """Whether it was compared at ``since`` or later; not when there is none."""
    at = (application or {}).get("status", {}).get("reconciledAt")
    return at is not None and datetime.fromisoformat(at) >= since


def now() -> datetime:
    """This moment in the API server's precision, which is a second."""
    return datetime.now(UTC).replace(microsecond=0)


def _at(commit: str, source: dict[str, Any]) -> str:
    """A commit, with a hash of the values where a promoted revision gets them from a newer commit.

    Empty for a branch's name, which stands there while the newest commit cannot be rendered.
    """
    helm = source.get("helm", {})
    if not COMMIT.fullmatch(commit):
        return ""
    if "values" not in helm or helm.get("valueFiles"):
        return commit
    return _with_values(commit, json.loads(helm["values"]))


def _with_values(commit: str, values: dict[str, Any]) -> str:
    text = json.dumps(_as_go(values), sort_keys=True)
    return f"{commit}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _as_go(value: object) -> object:
    """A value as Go, which made the Application of it, writes it: a whole number has no point."""
    if isinstance(value, dict):
        return {key: _as_go(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_go(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _patch(cluster: Cluster, application: str, change: dict[str, Any]) -> None:
    argv = ("-n", NAMESPACE, "patch", KIND, application, "--type=merge")
    cluster.run(*argv, f"--patch={json.dumps(change)}")
