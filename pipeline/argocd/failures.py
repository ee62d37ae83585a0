"""Why a sync does not get there: what time alone does not mend, in one line, with events and last log lines."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.argocd import application as argocd_state
from pipeline.argocd import install as argocd
from pipeline.core import console
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import LOGS
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

EVENTS_SHOWN = 5
LOG_LINES = 15
#: Waiting reasons of a container that time alone does not mend.
HOPELESS = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)
#: Words of a complaint that is over as soon as a part of Argo CD, or Git, can be reached again.
PASSING = ("code = Unavailable", "code = DeadlineExceeded", "connection refused", "i/o timeout")
#: What kubelet says when a busy machine kept it from a container's ConfigMaps or Secrets; it tries again by itself.
LATE = "timed out waiting for the condition"


@dataclass(frozen=True)
class Failure:
    """Why a sync does not get there: one line, and the details (events, log lines) for a file."""

    cause: str
    details: str


def unrenderable(found: dict[str, Any], revision: str, since: datetime) -> Failure | None:
    """What Argo CD complains of in ``revision``; a complaint about an earlier one goes with the next comparison."""
    status = found.get("status", {})
    for condition in status.get("conditions", []):
        if _is_passing(condition["message"]):
            continue
        # The revision of what cannot be rendered is the branch's name, so it has to be told by the time.
        about_this = (
            revision[:7] in condition["message"]
            or argocd_state.revision(found) == revision
            or argocd_state.compared(found, since)
        )
        if condition["type"] in ("ComparisonError", "InvalidSpecError") and about_this:
            return Failure(
                f"Argo CD cannot render it: {short(condition['message'])}", condition["message"]
            )
    return None


def failure(
    cluster: Cluster,
    environment: str,
    found: dict[str, Any],
    revision: str,
    image: ImageReference | None,
    *,
    degraded: bool,
) -> Failure | None:
    """What keeps the environment from getting to ``revision``, when it is certain that something does."""
    if argocd_state.operation_revision(found) == revision:
        state = argocd_state.operation(found)
        message = state.get("message", "")
        if "Retrying attempt" in message and _is_passing(message):
            return None
        if state.get("phase") in ("Failed", "Error") or "Retrying attempt" in message:
            return _failed_operation(cluster, environment, state)
        hopeless = _hopeless_pod(cluster, environment, image)
        if hopeless:
            return hopeless
    if degraded:
        bad = [
            one
            for one in found["status"].get("resources", [])
            if (one.get("health") or {}).get("status") == "Degraded"
        ]
        if bad:
            text = f"{bad[0]['kind']} {bad[0]['name']} is degraded: {bad[0]['health'].get('message', '')}"
            return Failure(text, _describe(cluster, environment, bad[0]["kind"], bad[0]["name"]))
    return None


def generator_problem(cluster: Cluster) -> str:
    """What the ApplicationSet of the environments complains of; empty when it does not."""
    found = cluster.get("applicationsets.argoproj.io", "environments", argocd.NAMESPACE)
    if found is None:
        return "its ApplicationSet is not there yet"
    for one in found.get("status", {}).get("conditions", []):
        if one["type"] == "ErrorOccurred" and one["status"] == "True":
            return str(one["message"])
    return ""


def timeout(
    cluster: Cluster, environment: str, found: dict[str, Any] | None, revision: str, seconds: float
) -> Failure:
    """What is still missing after so many seconds."""
    if found is None:
        return Failure(
            f"Argo CD has made no Application for it within {seconds:.0f} s",
            cluster.run("-n", argocd.NAMESPACE, "get", "applicationsets", "-o", "yaml"),
        )
    status = found.get("status", {})
    pending = [
        f"{one['kind']} {one['name']} ({(one.get('health') or {}).get('status') or one.get('status')})"
        for one in status.get("resources", [])
        if one.get("status") != "Synced"
        or (one.get("health") or {}).get("status") not in (None, "Healthy")
    ]
    if argocd_state.revision(found) != revision:
        cause = f"Argo CD is still at {argocd_state.revision(found)[:12] or 'no revision'}, wanted {revision[:12]}"
        told = "".join(f": {short(one['message'])}" for one in status.get("conditions", [])[:1])
        return Failure(f"{cause}, after {seconds:.0f} s{told}", json.dumps(status, indent=1))
    first = pending[0].split(" ")[:2] if pending else None
    details = (
        _describe(cluster, environment, first[0], first[1])
        if first
        else json.dumps(status, indent=1)
    )
    return Failure(
        f"not healthy after {seconds:.0f} s: {', '.join(pending) or 'the Application'}", details
    )


def as_error(environment: str, failure: Failure) -> PipelineError:
    """The failure as the stage raises it; its details are shown, and kept in a log."""
    log = LOGS / f"sync-{environment}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{failure.cause}\n\n{failure.details}\n", encoding="utf-8")
    for line in failure.details.splitlines()[:25]:
        console.info(f"    {line}")
    return PipelineError(
        f"{environment}: {failure.cause}",
        next_step=f"mend it and run this again, or ./inv rollback {environment}; what ran before keeps serving",
        log=log,
    )


def _is_passing(message: str) -> bool:
    """Whether what is complained of is over as soon as somebody answers again."""
    return any(word in message for word in PASSING)


def _failed_operation(cluster: Cluster, environment: str, state: dict[str, Any]) -> Failure:
    for one in (state.get("syncResult") or {}).get("resources", []):
        failed = one.get("hookPhase") in ("Failed", "Error") or one.get("status") == "SyncFailed"
        if failed:
            details = _describe(cluster, environment, one["kind"], one["name"])
            words = _last_log_line(details) or one.get("message", "")
            return Failure(f"{one['kind']} {one['name']} failed: {short(words)}", details)
    return Failure(f"the sync failed: {short(state.get('message', ''))}", state.get("message", ""))


def _hopeless_pod(
    cluster: Cluster, environment: str, image: ImageReference | None
) -> Failure | None:
    """A pod whose container cannot start; one that is restarted for the first time gets another chance."""
    for pod in cluster.items("pods", argocd.namespace(environment)):
        if pod["metadata"].get("deletionTimestamp") or _is_of_other_version(pod, image):
            continue
        reason, message = hopeless_container(pod)
        if reason:
            name = pod["metadata"]["name"]
            details = _describe(cluster, environment, "Pod", name)
            words = _last_log_line(details) or message
            return Failure(f"pod {name} does not start ({reason}): {short(words)}", details)
    return None


def hopeless_container(pod: dict[str, Any]) -> tuple[str, str]:
    """Reason and message of a container that time alone will not start; empty when there is none.

    Args:
        pod: As the API server returns it.
    """
    status = pod["status"]
    for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = (one.get("state") or {}).get("waiting") or {}
        message = waiting.get("message", "")
        if waiting.get("reason") in HOPELESS and LATE not in message:
            return waiting["reason"], message
    return "", ""


def _is_of_other_version(pod: dict[str, Any], image: ImageReference | None) -> bool:
    """Whether a pod runs the application in another version than ``image``."""
    if image is None:
        return False
    used = {one["image"] for one in pod["spec"]["containers"]}
    return str(image) not in used and any(one.startswith(image.repository) for one in used)


def _describe(cluster: Cluster, environment: str, kind: str, name: str) -> str:
    """A resource's events and the last log lines of its pods that are not ready."""
    where = argocd.namespace(environment)
    text = f"{kind} {where}/{name}\n"
    events = cluster.items("events", where)
    events.sort(key=lambda one: one.get("lastTimestamp") or one["metadata"]["creationTimestamp"])
    about = [one for one in events if one["involvedObject"]["name"].startswith(name)]
    for one in about[-EVENTS_SHOWN:]:
        text += f"event: {one.get('reason')}: {one.get('message', '').strip()}\n"
    for pod in cluster.items("pods", where):
        if not pod["metadata"]["name"].startswith(name):
            continue
        states = [
            *pod["status"].get("initContainerStatuses", []),
            *pod["status"].get("containerStatuses", []),
        ]
        for one in states:
            if one.get("ready") and pod["status"]["phase"] == "Running":
                continue
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting:
                text += f"{one['name']}: {waiting.get('reason')}: {waiting.get('message', '')}\n"
            for previous in ([], ["--previous"]):
                try:
                    lines = cluster.run(
                        "-n",
                        where,
                        "logs",
                        pod["metadata"]["name"],
                        "-c",
                        one["name"],
                        f"--tail={LOG_LINES}",
                        *previous,
                    )
                except CommandFailedError:
                    continue
                text += "".join(f"log: {line}\n" for line in lines.splitlines())
                if lines.strip():
                    break
    return text


def _last_log_line(details: str) -> str:
    lines = [
        line.removeprefix("log: ") for line in details.splitlines() if line.startswith("log: ")
    ]
    return lines[-1] if lines else ""


def short(text: str, limit: int = 300) -> str:
    """A long complaint in one line, beginning with helm's own words where there are some."""
    words = " ".join(text.split())
    # Helm's own words come after a long way through Argo CD.
    for marker in ("execution error at", "error calling", "failed exit status"):
        if marker in words:
            words = words[words.index(marker) :]
            break
    return words if len(words) <= limit else words[:limit] + "…"
