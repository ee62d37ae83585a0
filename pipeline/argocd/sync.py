"""Has Argo CD bring an environment to a revision, and waits until it is there or cannot get there."""

import time
from collections.abc import Callable
from typing import Any

from pipeline.argocd import application, failures
from pipeline.core import console
from pipeline.core.errors import CommandFailedError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

SYNC_SECONDS = 300
#: And for each pod: they are replaced one by one, and on AWS wait for the load balancer, some 45 seconds each.
POD_SECONDS = 60
#: The chart's default of ``rollout.progressDeadlineSeconds``.
PROGRESS_SECONDS = 180
#: What a promoted environment's Application waits at most: its ApplicationSet changes it when that asks Git again.
REQUEUE_SECONDS = 360
POLL_SECONDS = 0.4
#: Seconds after which a missing Application with a complaining generator counts as a failure.
GENERATOR_SECONDS = 20
#: Seconds between two requests to look at Git: one that Argo CD was too busy for is repeated.
REFRESH_SECONDS = 5
#: Seconds without an answer of the API server after which a sync is given up: it may be started again meanwhile.
UNREACHED_SECONDS = 60
#: Seconds between two requests to look at what a sync under way has reached.
HURRY_SECONDS = 1


def patience(content: dict[str, Any]) -> float:
    """Seconds within which a sync has to be over, by an environment's file: its pods, and the times that it allows."""
    pods = max(content["replicaCount"], (content.get("autoscaling") or {}).get("maxReplicas") or 0)
    migration = (content.get("migrations") or {}).get("timeoutSeconds") or 0
    progress = (content.get("rollout") or {}).get("progressDeadlineSeconds") or PROGRESS_SECONDS
    poll = REQUEUE_SECONDS if content.get("revision") else 0
    return float(SYNC_SECONDS + POD_SECONDS * pods + migration + progress + poll)


def await_synced(
    cluster: Cluster,
    environment: str,
    revision: str,
    *,
    contains: Callable[[str], bool],
    start: bool,
    image: ImageReference | None,
    on_change: Callable[[str], None],
    timeout: float = SYNC_SECONDS,
) -> None:
    """Waits until the environment is Synced and Healthy at ``revision``, or at a later commit that ``contains`` it.

    Args:
        start: Start the sync, since in a freeze Argo CD starts none by itself.
        image: What that revision runs, admitted by now: pods of other versions, which may be failing still, are not
            looked at.

    Raises:
        PipelineError: It cannot get there, or has not within ``timeout`` seconds; the cause names the resource, and
            the log holds its events and last log lines.
    """
    started, since = time.monotonic(), application.now()
    refreshed, hurried = float("-inf"), started
    degraded: dict[str, float] = {}  # since when
    shown: dict[str, str] = {}
    state: dict[str, Any] | None = None
    started_here = False

    def synced() -> bool:
        nonlocal refreshed, hurried, degraded, state, started_here
        moment = time.monotonic()
        state = application.get(cluster, environment)
        seen = application.revision(state) if state else ""
        behind = not (seen and contains(seen))
        wanted = revision if behind else seen
        # Argo CD may have been quicker than the pipeline, which has listed the image meanwhile.
        denied = state is not None and failures.is_denied(state, wanted, image)
        denied = denied and not started_here
        if (behind or denied) and moment - refreshed > REFRESH_SECONDS:
            application.refresh(cluster, environment)
            refreshed = moment
        if state is None:
            if moment - started > GENERATOR_SECONDS:
                failures.require_generator(cluster, environment)
            return False
        for line in _changes(state, wanted, shown):
            on_change(line)
        if application.is_live(state, wanted):
            for name in application.kept(state):
                console.warn(f"{name} is not in Git any more, and stays until a person deletes it")
            return True
        compared = state.get("status", {}).get("sync", {}).get("status")
        differs = compared == "OutOfSync" and not application.is_synced(state)
        idle = not (behind or started_here or application.is_running(state))
        if (start or denied) and differs and idle:
            application.start_sync(cluster, state)
            started_here = True
        running = application.operation_revision(state)
        if not behind and application.is_syncing(state) and not contains(running):
            application.terminate(cluster, environment)  # it would try again for minutes
        elif application.is_syncing(state) and moment - hurried > HURRY_SECONDS:
            application.hurry(cluster, environment)
            hurried = moment
        # Without a difference there was nothing to sync: what was compared counts.
        at = wanted in (running, "" if differs else seen)
        settled = at and application.is_settled(state)
        bad = application.degraded(state) if settled else []
        degraded = {each: degraded.get(each, moment) for each in bad}
        failure = failures.unrenderable(state, wanted, since) or failures.failure(
            cluster,
            environment,
            state,
            wanted,
            image,
            degraded={each: moment - first for each, first in degraded.items()},
            since=since,
        )
        if failure and not denied:
            raise failures.as_error(environment, failure)
        return False

    if not wait(_answered(synced), timeout=timeout, interval=POLL_SECONDS):
        raise failures.as_error(
            environment, failures.timeout(cluster, environment, state, revision, timeout)
        )


def _answered(check: Callable[[], bool]) -> Callable[[], bool]:
    """The check, which is no while the API server cannot be reached for a moment."""
    answered = time.monotonic()

    def asked() -> bool:
        nonlocal answered
        try:
            over = check()
        except CommandFailedError as error:
            unreached = time.monotonic() - answered
            if unreached > UNREACHED_SECONDS or not failures.is_passing(" ".join(error.tail)):
                raise
            return False
        answered = time.monotonic()
        return over

    return asked


def _changes(state: dict[str, Any], revision: str, shown: dict[str, str]) -> list[str]:
    """What has changed since the last call, one line a resource; ``shown`` is what was returned before."""
    current: dict[str, str] = {}
    if application.operation_revision(state) == revision:
        result = application.operation(state).get("syncResult") or {}
        for resource in result.get("resources", []):
            if resource.get("hookType"):
                name = f"{resource['kind']} {resource['name']}"
                current[name] = resource.get("hookPhase", "")
    if application.revision(state) == revision:
        for resource in state["status"].get("resources", []):
            health = (resource.get("health") or {}).get("status", "")
            name = f"{resource['kind']} {resource['name']}"
            current[name] = f"{resource.get('status', '')} {health}".strip()
    changed = {name: text for name, text in current.items() if shown.get(name) != text}
    shown |= changed
    return [f"{name}: {text}" for name, text in changed.items()]
