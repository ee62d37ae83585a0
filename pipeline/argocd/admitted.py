"""Tells a cluster which images an environment may run: the API server refuses all others (argocd/access)."""

import json
import re

from pipeline.argocd import application
from pipeline.core import console
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

#: The keys that the pipeline writes, made of digests; the file's own images, under other keys, are Argo CD's to write.
OURS = re.compile(r"[0-9a-f]{12}")
POLL_SECONDS = 2


def admit(
    cluster: Cluster, environment: str, image: ImageReference, *, keep: str | None, protected: bool
) -> None:
    """Lists an image that was verified, and takes those off that no pod runs any more.

    Args:
        keep: The digest that a rollback would go back to: it stays, where it is listed.
        protected: Whether the environment runs only what is listed; else a list that cannot be written is only told.

    Raises:
        PipelineError: The account in use may not write the list. Argo CD gives that right at its next look at Git.
    """
    refusals: list[str] = []

    def listed() -> bool:
        refusals.clear()
        try:
            _write(cluster, environment, image, keep)
        except CommandFailedError as error:
            if "forbidden" not in " ".join(error.tail).lower():
                raise
            refusals.append(error.cause)
        return not refusals

    timeout = application.POLL.total_seconds() if protected else 0
    with console.progress(f"admit {image.short} to {environment}"):
        if wait(listed, timeout=timeout, interval=POLL_SECONDS):
            return
    cause = f"the cluster cannot be told that {image.short} was verified: {refusals[0]}"
    if not protected:
        console.warn(cause)
        return
    raise PipelineError(
        cause,
        next_step=f"kubectl -n argocd describe application access-{environment} shows why the account has no right to",
    )


def _write(cluster: Cluster, environment: str, image: ImageReference, keep: str | None) -> None:
    name = f"admitted-{environment}"
    there = (cluster.get("configmap", name, application.NAMESPACE) or {}).get("data") or {}
    before = {key: each for key, each in there.items() if OURS.fullmatch(key)}
    pods = cluster.items("pods", application.namespace(environment))
    running = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    wanted = {
        key: each
        for key, each in before.items()
        if each in running or each.partition("@")[2] == keep
    }
    wanted[image.digest[7:19]] = str(image)
    if wanted == before:
        return
    metadata = {"name": name, "namespace": application.NAMESPACE}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wanted}
    cluster.apply(json.dumps(manifest))
