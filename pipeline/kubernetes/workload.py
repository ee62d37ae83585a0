"""What runs the application's pods: a Deployment, or with a canary the Rollout in its place (Argo Rollouts)."""

from datetime import datetime
from typing import Any

from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes.cluster import Cluster

#: Both have ``spec.replicas`` and ``spec.template`` alike.
KINDS = ("deployment", "rollouts.argoproj.io")
COMPONENT = "app.kubernetes.io/component"
#: Pods that users meet: not those of the database, of migrations, or of a canary's trial and its judge.
PODS = f"{COMPONENT}=web"
#: Waiting reasons of a container that is being started; all others are errors that time alone does not fix.
STARTING = ("ContainerCreating", "PodInitializing")
#: Reasons that pass by themselves when a registry or a node is busy, and the seconds after which they count.
PASSING = ("ErrImagePull", "ImagePullBackOff", "CreateContainerError", "RunContainerError")
PASSING_SECONDS = 60
#: Seconds that a container must have run for its end to count: one that ends at once may wait for something else.
SERVED_SECONDS = 10
#: kubelet's time of what has not begun.
NEVER = "1970-01-01T00:00:00Z"
#: kubelet's message when a busy machine kept it from a container's ConfigMaps or Secrets; it tries again by itself.
LATE = "timed out waiting for the condition"


def find(cluster: Cluster, namespace: str, name: str) -> dict[str, Any] | None:
    """The Deployment or Rollout of that name; None where there is neither.

    When a canary is switched on or off one is on its way out, for as long as its pods are, and the other serves.
    """
    found = (cluster.get(kind, name, namespace) for kind in KINDS)
    return next((each for each in found if each and not leaves(each)), None)


def leaves(each: dict[str, Any]) -> bool:
    """Whether an object is being deleted."""
    return "deletionTimestamp" in each["metadata"]


def serves(pod: dict[str, Any]) -> bool:
    """Whether a pod runs the application, for users or in a canary's trial."""
    return pod["metadata"].get("labels", {}).get(COMPONENT) in ("web", "trial")


def image(workload: dict[str, Any]) -> str:
    """The image that its pods are to run."""
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def ready(cluster: Cluster, namespace: str, image: str) -> list[str]:
    """The pods that are ready with an image, and not on their way out."""
    return [
        pod["metadata"]["name"]
        for pod in cluster.items("pods", namespace, PODS)
        if any(container["image"] == image for container in pod["spec"]["containers"])
        and kubernetes.is_ready(pod)
        and not leaves(pod)
    ]


def terminal_reason(pod: dict[str, Any], now: datetime) -> tuple[str, str]:
    """Reason and message of a pod's container that time alone will not start; empty when there is none."""
    # It may have waited for a node for as long.
    began = pod["status"].get("startTime") or pod["metadata"]["creationTimestamp"]
    seconds = (now - datetime.fromisoformat(began)).total_seconds()
    passing = STARTING if seconds >= PASSING_SECONDS else (*STARTING, *PASSING)
    for container in containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        message = waiting.get("message", "")
        if waiting and waiting.get("reason") not in passing and LATE not in message:
            return waiting.get("reason", "unknown"), message
    return "", ""


def ended(pod: dict[str, Any], since: datetime) -> str:
    """How a container that had run for a while has ended after a time; empty where none has."""
    for container in pod["status"].get("containerStatuses", []):
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            end = state.get("terminated") or {}
            # kubelet knows no times of what it has lost, and no begin of what did not start.
            if not end.get("finishedAt") or (end.get("startedAt") or NEVER) <= NEVER:
                continue
            began, over = (datetime.fromisoformat(end[at]) for at in ("startedAt", "finishedAt"))
            seconds = (over - began).total_seconds()
            if over >= since and seconds >= SERVED_SECONDS:
                return f"after {seconds:.0f} s ({end.get('reason')}, exit code {end['exitCode']})"
    return ""


def is_disrupted(pod: dict[str, Any]) -> bool:
    """Whether a pod's node has ended it, for want of memory or to be shut down: no fault of the version."""
    conditions = pod["status"].get("conditions", [])
    return any(
        each["type"] == "DisruptionTarget" and each["status"] == "True" for each in conditions
    )


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The statuses of a pod's containers, the initial ones first."""
    status = pod["status"]
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
