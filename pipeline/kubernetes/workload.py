"""What runs the application's pods: a Deployment, or with a canary the Rollout in its place (Argo Rollouts)."""

from typing import Any

from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes.cluster import Cluster

#: Both have ``spec.replicas`` and ``spec.template`` alike.
KINDS = ("deployment", "rollouts.argoproj.io")
#: Pods of the application itself, not of its database, its migrations or a canary's judge.
PODS = "app.kubernetes.io/component=web"


def find(cluster: Cluster, namespace: str, name: str) -> dict[str, Any] | None:
    """The Deployment or Rollout of that name; None where there is neither."""
    found = (cluster.get(kind, name, namespace) for kind in KINDS)
    return next((each for each in found if each is not None), None)


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
        and "deletionTimestamp" not in pod["metadata"]
    ]
