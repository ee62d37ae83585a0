"""Installs Argo CD in a cluster from its pinned release, with the Application that brings all others from Git."""

import json
import re
import secrets
import shutil
from typing import Any

from pipeline.argocd import git_server
from pipeline.argocd.application import KIND, NAMESPACE
from pipeline.core import console, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.kubernetes.programs import program

READY_SECONDS = 180
KINDS_SECONDS = 30
CONTROLLER = "argocd-application-controller"
#: What can sync once it is ready: the Deployments beside the controller.
DEPLOYMENTS = ("argocd-repo-server", "argocd-redis", "argocd-applicationset-controller")
MANIFESTS = ROOT / "argocd"


def version() -> str:
    """The pinned release of Argo CD, such as ``v3.6.1``."""
    text = (MANIFESTS / "install" / "core" / "kustomization.yaml").read_text(encoding="utf-8")
    match = re.search(r"/argo-cd/(v[^/]+)/", text)
    if match is None:
        raise PipelineError(
            "argocd/install/core names no release of Argo CD",
            next_step="give its kustomization the address of a release's manifests",
        )
    return match[1]


def release(cluster: Cluster) -> str | None:
    """The release of Argo CD that the cluster has, None without one.

    Raises:
        PipelineError: It is not the pinned one, which the local cluster's node has no image of.
    """
    controller = cluster.get("statefulset", CONTROLLER, NAMESPACE)
    if controller is None:
        return None
    image = str(controller["spec"]["template"]["spec"]["containers"][0]["image"])
    present = image.rpartition(":")[2]
    if cluster.local and present != version():
        raise PipelineError(
            f"the local cluster was made for Argo CD {present}, not {version()}",
            next_step="run ./inv cluster down, then this again: what Git names comes back",
        )
    return present


def install(cluster: Cluster, repository: str) -> None:
    """Installs Argo CD's core where it is missing, and the Application that brings the others from ``repository``."""
    if release(cluster) != version():
        with console.progress(f"Argo CD {version()}"):
            cluster.apply(_render("argocd/install/core"))
            _ensure_secret(cluster)
    _apply_root(cluster, repository)


def await_ready(cluster: Cluster) -> None:
    """Waits until Argo CD can sync: its controller, its repository server and its cache run; PipelineError if not."""
    if all(_ready_replicas(cluster)):
        return
    with console.progress("Argo CD ready") as step:

        def ready() -> bool:
            replicas = _ready_replicas(cluster)
            step.update(f"{sum(map(bool, replicas))} of {len(replicas)} parts ready")
            return all(replicas)

        if not wait(ready, timeout=READY_SECONDS):
            log = log_file("argocd")
            log.write_text(cluster.run("-n", NAMESPACE, "describe", "pods"), encoding="utf-8")
            raise PipelineError(
                f"Argo CD was not ready within {READY_SECONDS} s", next_step="read the log", log=log
            )


def _ready_replicas(cluster: Cluster) -> list[int]:
    deployments = {
        item["metadata"]["name"]: item for item in cluster.items("deployments", NAMESPACE)
    }
    controller = cluster.get("statefulset", CONTROLLER, NAMESPACE) or {}
    parts: list[dict[str, Any]] = [controller, *(deployments.get(name, {}) for name in DEPLOYMENTS)]
    return [part.get("status", {}).get("readyReplicas", 0) for part in parts]


def _render(folder: str) -> str:
    """The manifests of a kustomization of the stand-in's newest commit, as YAML."""
    checkout = git_server.FOLDER / "rendered"
    shutil.rmtree(checkout, ignore_errors=True)
    checkout.mkdir(parents=True)
    archive = checkout / "argocd.tar"
    git_server.git("archive", f"--output={archive}", git_server.BRANCH, "argocd")
    process.capture(["tar", "--extract", "--file", archive, "--directory", checkout])
    return process.capture([program("kubectl"), "kustomize", checkout / folder])


def _ensure_secret(cluster: Cluster) -> None:
    """Core mode has no API server that would make the key which Argo CD's parts sign with."""
    secret = cluster.get("secret", "argocd-secret", NAMESPACE) or {}
    if "server.secretkey" in (secret.get("data") or {}):
        return
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd-secret"},
        "stringData": {"server.secretkey": secrets.token_urlsafe(32)},
    }
    cluster.apply(json.dumps(manifest), namespace=NAMESPACE, manager="delivery-secret")


def _apply_root(cluster: Cluster, repository: str) -> None:
    """The bootstrap of argocd/bootstrap with this machine's repository and the overlay for one machine."""
    text = (MANIFESTS / "bootstrap" / "platform.yaml").read_text(encoding="utf-8") + "---\n"
    text += (MANIFESTS / "bootstrap" / "root.yaml").read_text(encoding="utf-8")
    text = text.replace(git_server.upstream(), repository).replace("apps/full", "apps/local")
    present = cluster.get(KIND, "root", NAMESPACE)
    if present is not None and present["spec"]["source"]["repoURL"] == repository:
        return

    def applied() -> bool:
        try:
            cluster.apply(text)
        except CommandFailedError as error:
            # The definitions of its kinds were applied a moment ago.
            if "no matches for kind" in " ".join(error.tail):
                return False
            raise
        return True

    if not wait(applied, timeout=KINDS_SECONDS):
        raise PipelineError(
            "the cluster does not know Argo CD's kinds", next_step="run ./inv sync again"
        )
