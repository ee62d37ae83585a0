"""What runs the application's pods: a Deployment, or with a canary the Rollout in its place (Argo Rollouts)."""

from typing import Any

from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes.cluster import Cluster

#: Both have ``spec.replicas`` and ``spec.template`` alike.
KINDS = ("deployment", "rollouts.argoproj.io")
COMPONENT = "app.kubernetes.io/component"
#: Pods that users meet: not those of the database, of migrations, or of a canary's trial and its judge.
PODS = f"{COMPONENT}=web"


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
