"""Has Argo CD bring an environment to a revision, and waits until it is there or cannot get there."""

import json
import time
from collections.abc import Callable
from typing import Any

from pipeline.argocd import application as argocd_state
from pipeline.argocd import failures
from pipeline.argocd import install as argocd
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

SYNC_SECONDS = 300
POLL_SECONDS = 0.4
#: Seconds that an Application may stay Degraded before a sync counts as failed (a Deployment passes through it).
DEGRADED_SECONDS = 5
#: Seconds after which a missing Application with a complaining generator counts as a failure.
GENERATOR_SECONDS = 20
#: Seconds between two requests to look at Git.
REFRESH_SECONDS = 5


def await_synced(
    cluster: Cluster,
    environment: str,
    revision: str,
    *,
    image: ImageReference | None,
    on_change: Callable[[str], None],
    timeout: float = SYNC_SECONDS,
) -> None:
    """Waits until the environment is Synced and Healthy at ``revision``.

    Args:
        image: What that revision runs: pods of other versions, which may be failing still, are not looked at.

    Raises:
        PipelineError: It cannot get there, or has not within ``timeout`` seconds; the cause names the resource, and
            the log holds its events and last log lines.
    """
    started, since = time.monotonic(), argocd.now().replace(microsecond=0)
    asked = degraded_since = None
    seen: dict[str, str] = {}
    while True:
        moment = time.monotonic()
        found = argocd.application(cluster, environment)
        behind = found is None or argocd_state.revision(found) != revision
        # A refresh that Argo CD was too busy for is asked for again.
        if behind and (asked is None or moment - asked > REFRESH_SECONDS):
            argocd.refresh(cluster, environment)
            asked = moment
        if found is not None:
            for line in _news(found, revision, seen):
                on_change(line)
            if _done(found, revision):
                return
            if not behind and argocd_state.is_of_another(found, revision):
                _terminate(cluster, environment)
            unhealthy = found.get("status", {}).get("health", {}).get("status") == "Degraded"
            rolled_out = argocd_state.operation_revision(
                found
            ) == revision and not argocd_state.is_running(found)
            degraded_since = (degraded_since or moment) if unhealthy and rolled_out else None
            patience_over = (
                degraded_since is not None and moment - degraded_since > DEGRADED_SECONDS
            )
            failure = failures.unrenderable(found, revision, since) or failures.failure(
                cluster, environment, found, revision, image, degraded=patience_over
            )
            if failure:
                raise failures.as_error(environment, failure)
        elif moment - started > GENERATOR_SECONDS and (
            problem := failures.generator_problem(cluster)
        ):
            raise failures.as_error(
                environment,
                failures.Failure(
                    f"Argo CD makes no Application for it: {failures.short(problem)}", problem
                ),
            )
        if moment - started > timeout:
            raise failures.as_error(
                environment, failures.timeout(cluster, environment, found, revision, timeout)
            )
        time.sleep(POLL_SECONDS)


def _terminate(cluster: Cluster, environment: str) -> None:
    patch = json.dumps({"status": {"operationState": {"phase": "Terminating"}}})
    name = argocd.application_name(environment)
    cluster.run(
        "-n", argocd.NAMESPACE, "patch", "applications", name, "--type=merge", f"--patch={patch}"
    )


def _done(found: dict[str, Any], revision: str) -> bool:
    status = found.get("status", {})
    synced = (
        status.get("sync", {}).get("status") == "Synced"
        and argocd_state.revision(found) == revision
    )
    healthy = status.get("health", {}).get("status") == "Healthy"
    return synced and healthy and not argocd_state.is_running(found)


def _news(found: dict[str, Any], revision: str, seen: dict[str, str]) -> list[str]:
    """What has changed since the last look, one line a resource."""
    lines = []
    current: dict[str, str] = {}
    if argocd_state.operation_revision(found) == revision:
        for one in (argocd_state.operation(found).get("syncResult") or {}).get("resources", []):
            if one.get("hookType"):
                current[f"{one['kind']} {one['name']}"] = one.get("hookPhase", "")
    if argocd_state.revision(found) == revision:
        for one in found["status"].get("resources", []):
            health = (one.get("health") or {}).get("status", "")
            current[f"{one['kind']} {one['name']}"] = f"{one.get('status', '')} {health}".strip()
    for name, state in current.items():
        if seen.get(name) != state:
            seen[name] = state
            lines.append(f"{name}: {state}")
    return lines
