"""Tells a cluster which images an environment may run: the API server refuses all others (argocd/access)."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.argocd import application
from pipeline.core import console
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

#: The keys that the pipeline writes, made of digests; the file's own images, under other keys, are Argo CD's to write.
OURS = re.compile(r"[0-9a-f]{12}")
POLL_SECONDS = 2


def is_protected(content: Mapping[str, Any]) -> bool:
    """Whether an environment, by its file's content, runs only what is listed."""
    return bool((content.get("admission") or {}).get("enabled"))


def admit(cluster: Cluster, environment: str, image: ImageReference) -> None:
    """Lists an image that was verified, and takes those off that no pod runs any more.

    Raises:
        PipelineError: The account in use may not write the list. Argo CD gives that right at its next look at Git.
    """
    refusals: list[str] = []

    def listed() -> bool:
        refusals.clear()
        try:
            _write(cluster, environment, image)
        except CommandFailedError as error:
            if "forbidden" not in " ".join(error.tail).lower():
                raise
            refusals.append(error.cause)
        return not refusals

    with console.progress(f"admit {image.short} to {environment}"):
        if not wait(listed, timeout=application.POLL.total_seconds(), interval=POLL_SECONDS):
            raise PipelineError(
                f"the cluster cannot be told that {image.short} was verified: {refusals[0]}",
                next_step=f"kubectl -n argocd describe application access-{environment} shows"
                " why the account has no right to",
            )


def _write(cluster: Cluster, environment: str, image: ImageReference) -> None:
    name = f"admitted-{environment}"
    there = (cluster.get("configmap", name, application.NAMESPACE) or {}).get("data") or {}
    before = {key: each for key, each in there.items() if OURS.fullmatch(key)}
    pods = cluster.items("pods", application.namespace(environment))
    running = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    wanted = {key: each for key, each in before.items() if each in running}
    wanted[image.digest[7:19]] = str(image)
    if wanted == before:
        return
    metadata = {"name": name, "namespace": application.NAMESPACE}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wanted}
    cluster.apply(json.dumps(manifest))
