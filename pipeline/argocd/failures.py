"""Explains failed syncs: terminal conditions, events and the last lines of logs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.argocd import application, canary
from pipeline.core import console
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import log_file
from pipeline.kubernetes import workload
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

EVENTS_SHOWN = 5
LOG_LINES = 15
DETAIL_LINES_SHOWN = 25
MESSAGE_LENGTH = 300
#: Seconds that a resource may stay Degraded before a sync counts as failed: a Deployment passes through it.
DEGRADED_SECONDS = 5
#: And those that say nothing of a version: computed from pods, which fails before there are figures, or while pods
#: without a ReplicaSet end (``trySync`` in Kubernetes' disruption.go), or from the last of many runs.
COMPUTED_SECONDS = 120
COMPUTED = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "CronJob")
#: In an error that is over as soon as a part of Argo CD, or Git, can be reached again.
PASSING = (
    "code = Unavailable",
    "code = DeadlineExceeded",
    "context deadline exceeded",  # a busy controller: its health checks have a second
    "connection refused",
    "i/o timeout",
    'Rollout.argoproj.io "" not found',  # its definition came a moment ago
    "failed calling webhook",  # of a controller that is being started again
    "TLS handshake timeout",
    "etcdserver:",
    "Unable to connect to the server",
    "was refused - did you specify",
    "connection reset by peer",
    "connection lost",
    "unexpected EOF",
    "unable to handle the request",
    "no such host",
    "Could not resolve host",
    "status code: 5",
    "returned error: 5",
)
#: Helm's own words, which come after a long way through Argo CD.
HELM_ERRORS = ("execution error at", "error calling", "failed exit status")


@dataclass(frozen=True)
class Failure:
    """Why a sync does not get there: one line, and the details (events, log lines) for a file."""

    cause: str
    details: str


def as_error(environment: str, failure: Failure) -> PipelineError:
    """The failure as the stage raises it; its details are shown, and kept in a log."""
    log = log_file(f"sync-{environment}")
    log.write_text(f"{failure.cause}\n\n{failure.details}\n", encoding="utf-8")
    for line in failure.details.splitlines()[:DETAIL_LINES_SHOWN]:
        console.info(f"    {line}")
    return PipelineError(
        f"{environment}: {failure.cause}",
        next_step=f"fix it and run this again, or ./inv rollback {environment}; what ran before keeps serving",
        log=log,
    )


def unrenderable(state: dict[str, Any], revision: str, since: datetime) -> Failure | None:
    """Argo CD's error about ``revision``; one about an earlier revision goes with the next comparison."""
    for condition in state.get("status", {}).get("conditions", []):
        message = condition["message"]
        # The revision of what cannot be rendered is the branch's name, so the time decides.
        about_this = (
            revision[:7] in message
            or application.revision(state) == revision
            or application.compared(state, since)
        )
        terminal = condition["type"] in ("ComparisonError", "InvalidSpecError")
        if terminal and about_this and not is_passing(message):
            return Failure(f"Argo CD cannot render it: {_short(message)}", message)
    return None


def failure(
    cluster: Cluster,
    environment: str,
    state: dict[str, Any],
    revision: str,
    image: ImageReference | None,
    *,
    degraded: Mapping[str, float],
    since: datetime,
) -> Failure | None:
    """What keeps it from getting to ``revision``, asked for at ``since``, when it is certain that something does.

    Args:
        degraded: Seconds for which each resource has been Degraded, by names such as ``Rollout shop``.
    """
    if application.operation_revision(state) == revision:
        operation = application.operation(state)
        message = operation.get("message", "")
        retrying = "Retrying attempt" in message
        failed = _failed(operation)
        computed = bool(failed) and all(each["kind"] in COMPUTED for each in failed)
        if retrying and (computed or is_passing(message)):
            return None
        if retrying or operation.get("phase") in ("Failed", "Error"):
            return _failed_operation(cluster, environment, message, failed)
        pod_failure = _failed_pod(cluster, environment, image, since)
        if pod_failure:
            return pod_failure
    for resource in state["status"].get("resources", []):
        seconds = degraded.get(f"{resource['kind']} {resource['name']}", 0)
        if seconds > (COMPUTED_SECONDS if resource["kind"] in COMPUTED else DEGRADED_SECONDS):
            health = resource["health"]
            return _degraded(cluster, environment, resource, health.get("message", ""))
    return None


def is_denied(state: dict[str, Any], revision: str, image: ImageReference | None) -> bool:
    """Whether the API server did not admit ``image`` yet (argocd/access), when Argo CD compared or synced ``revision``.

    A comparison asks it what an apply would change, and fails as the apply would.
    """
    conditions = state.get("status", {}).get("conditions", [])
    messages = [str(condition.get("message", "")) for condition in conditions]
    if application.operation_revision(state) == revision:
        operation = application.operation(state)
        results = (operation.get("syncResult") or {}).get("resources", [])
        messages += [str(each.get("message", "")) for each in (operation, *results)]
    return image is not None and any(f"{image} is not admitted" in each for each in messages)


def require_generator(cluster: Cluster, environment: str) -> None:
    """Raises PipelineError when the ApplicationSet that makes the environment's Application is missing or fails."""
    generator = cluster.get("applicationsets.argoproj.io", "environments", application.NAMESPACE)
    messages = ["its ApplicationSet is not there yet"]
    if generator is not None:
        messages = [
            condition["message"]
            for condition in generator.get("status", {}).get("conditions", [])
            if (condition["type"], condition["status"]) == ("ErrorOccurred", "True")
        ]
    if messages:
        cause = f"Argo CD makes no Application for it: {_short(messages[0])}"
        raise as_error(environment, Failure(cause, messages[0]))


def timeout(
    cluster: Cluster, environment: str, state: dict[str, Any] | None, revision: str, seconds: float
) -> Failure:
    """What is still missing after so many seconds."""
    after = f"{seconds:.0f} s"
    if state is None:
        return Failure(
            f"Argo CD has made no Application for it within {after}",
            cluster.run("-n", application.NAMESPACE, "get", "applicationsets", "-o", "yaml"),
        )
    status = state.get("status", {})
    details = json.dumps(status, indent=1)
    current = application.revision(state)
    if current != revision:
        messages = [_short(condition["message"]) for condition in status.get("conditions", [])]
        reason = f": {messages[0]}" if messages else ""
        cause = f"Argo CD is still at {current[:12] or 'no revision'}, wanted {revision[:12]}"
        return Failure(f"{cause}, after {after}{reason}", details)
    pending: list[str] = []
    for resource in status.get("resources", []):
        health = (resource.get("health") or {}).get("status")
        if resource.get("status") == "Synced" and health in (None, "Healthy"):
            continue
        kind, name = resource["kind"], resource["name"]
        if not pending:
            details = _describe(cluster, environment, kind, name)
        pending.append(f"{kind} {name} ({health or resource.get('status')})")
    return Failure(f"not healthy after {after}: {', '.join(pending) or 'the Application'}", details)


def is_passing(message: str) -> bool:
    """Whether an error is one that is over by itself, of Argo CD, Git or the API server."""
    return any(part in message for part in PASSING)


def _failed(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources of an operation that were not applied, or were degraded afterwards, and its failed hooks."""
    results = (operation.get("syncResult") or {}).get("resources", [])
    bad = {"Failed", "Error", "SyncFailed"}
    return [each for each in results if {each.get("hookPhase"), each.get("status")} & bad]


def _failed_operation(
    cluster: Cluster, environment: str, message: str, failed: list[dict[str, Any]]
) -> Failure:
    if not failed:
        return Failure(f"the sync failed: {_short(message)}", message)
    kind, name = failed[0]["kind"], failed[0]["name"]
    details = _describe(cluster, environment, kind, name)
    # What the API server refused has no pods that could say more, but others' may have names that begin alike.
    said = "" if failed[0].get("status") == "SyncFailed" else _last_log_line(details)
    return Failure(f"{kind} {name} failed: {_short(said or failed[0].get('message', ''))}", details)


def _degraded(
    cluster: Cluster, environment: str, resource: dict[str, Any], message: str
) -> Failure:
    """A resource that does not get well; where a Rollout's canary was refused, with its judge's figures."""
    kind, name = resource["kind"], resource["name"]
    if kind == "Rollout" and (
        job := canary.judge(cluster, application.namespace(environment), name)
    ):
        details = _describe(cluster, environment, "Job", job)
        return Failure(f"Rollout {name}: {_last_log_line(details) or message}", details)
    return Failure(
        f"{kind} {name} is degraded: {message.rstrip('.')}",
        _describe(cluster, environment, kind, name),
    )


def _failed_pod(
    cluster: Cluster, environment: str, image: ImageReference | None, since: datetime
) -> Failure | None:
    """A pod whose container cannot start, or one of ``image`` that has served and ended."""
    for pod in cluster.items("pods", application.namespace(environment)):
        if workload.leaves(pod) or _is_of_other_version(pod, image) or workload.is_disrupted(pod):
            continue
        reason, message = workload.terminal_reason(pod, application.now())
        if reason:
            name = pod["metadata"]["name"]
            details = _describe(cluster, environment, "Pod", name)
            explained = _short(_last_log_line(details) or message)
            return Failure(f"pod {name} does not start ({reason}): {explained}", details)
        if image and workload.serves(pod) and (how := workload.ended(pod, since)):
            name = pod["metadata"]["name"]
            return Failure(f"pod {name} ended {how}", _describe(cluster, environment, "Pod", name))
    return None


def _is_of_other_version(pod: dict[str, Any], image: ImageReference | None) -> bool:
    """Whether a pod runs the application in another version than ``image``."""
    if image is None:
        return False
    used = {container["image"] for container in pod["spec"]["containers"]}
    return str(image) not in used and any(name.startswith(image.repository) for name in used)


def _describe(cluster: Cluster, environment: str, kind: str, name: str) -> str:
    """A resource's events and the last log lines of its pods that are not ready."""
    namespace = application.namespace(environment)
    lines = [f"{kind} {namespace}/{name}"]
    events = cluster.items("events", namespace)
    events = [event for event in events if event["involvedObject"]["name"].startswith(name)]
    events.sort(key=lambda it: it.get("lastTimestamp") or it["metadata"]["creationTimestamp"])
    for event in events[-EVENTS_SHOWN:]:
        lines.append(f"event: {event.get('reason')}: {event.get('message', '').strip()}")
    for pod in cluster.items("pods", namespace):
        if not pod["metadata"]["name"].startswith(name) or pod["status"]["phase"] == "Succeeded":
            continue
        for container in workload.containers(pod):
            if container.get("ready") and pod["status"]["phase"] == "Running":
                continue
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting:
                message = waiting.get("message", "")
                lines.append(f"{container['name']}: {waiting.get('reason')}: {message}")
            log = _log(cluster, namespace, pod["metadata"]["name"], container["name"])
            lines += [f"log: {line}" for line in log]
    return "\n".join(lines)


def _log(cluster: Cluster, namespace: str, pod: str, container: str) -> list[str]:
    """The last lines of a container's log, or of its predecessor's where it has printed nothing yet."""
    argv = ["-n", namespace, "logs", pod, "-c", container, f"--tail={LOG_LINES}"]
    for previous in ([], ["--previous"]):
        try:
            lines = cluster.run(*argv, *previous)
        except CommandFailedError:
            continue
        if lines.strip():
            return lines.splitlines()
    return []


def _last_log_line(details: str) -> str:
    lines = [line for line in details.splitlines() if line.startswith("log: ")]
    return lines[-1].removeprefix("log: ") if lines else ""


def _short(text: str) -> str:
    """A long message in one line, beginning with helm's own words where there are some."""
    line = " ".join(text.split())
    marker = next((marker for marker in HELM_ERRORS if marker in line), "")
    line = line[line.index(marker) :]
    return line if len(line) <= MESSAGE_LENGTH else line[:MESSAGE_LENGTH] + "…"
