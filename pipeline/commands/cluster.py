"""The cluster stage: a local Kubernetes, or one of the user's."""

from rich.table import Table

from pipeline.argocd import git_server as gitops
from pipeline.argocd import install as argocd
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes import node
from pipeline.targets import kubernetes as kubernetes_target


def run(action: str, context: str | None = None) -> None:
    """Does what the task is asked for: ``up``, ``down`` or ``status``.

    Raises:
        PipelineError: Another action, or the action failed.
    """
    if action == "up" or (context and action == "status"):
        console.info(up(context))
    elif action == "down":
        console.info(down())
    elif action == "status":
        status()
    else:
        raise PipelineError(f"there is no action {action!r}", next_step="choose up, down or status")


def up(context: str | None = None) -> str:
    """Makes or starts the local cluster; with a context, uses that cluster of the user's from now on.

    Raises:
        PipelineError: It cannot be made here, was not ready in time, or does not answer.
    """
    if context:
        kubernetes.choose(context)
        return f"the cluster of context {context} is used from now on"
    kubernetes.CONTEXT_FILE.unlink(missing_ok=True)
    kubernetes.up()
    kubernetes_target.map_registries()
    return f"kubectl --kubeconfig {kubernetes.KUBECONFIG} get nodes"


def down() -> str:
    """Removes the local cluster and all that runs in it; a cluster of the user's is only let go."""
    if kubernetes.CONTEXT_FILE.is_file():
        context = kubernetes.CONTEXT_FILE.read_text(encoding="utf-8").strip()
        kubernetes.CONTEXT_FILE.unlink()
        return f"the cluster of context {context} is left as it is"
    gitops.stop()
    with console.progress("cluster down"):
        return "cluster removed" if kubernetes.down() else "there was no cluster"


def status() -> None:
    """Shows the cluster's nodes and Argo CD's applications."""
    cluster = kubernetes.find()
    if cluster is None or cluster.local:
        console.info(f"node: {node.described()}")
    if cluster is None:
        console.info("no cluster is up (./inv cluster up)")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("what", "name", "state", "detail"):
        table.add_column(heading)
    for one in cluster.items("nodes"):
        conditions = {each["type"]: each["status"] for each in one["status"]["conditions"]}
        ready = "ready" if conditions.get("Ready") == "True" else "not ready"
        table.add_row(
            "node", one["metadata"]["name"], ready, one["status"]["nodeInfo"]["kubeletVersion"]
        )
    for one in cluster.items("applications.argoproj.io", argocd.NAMESPACE):
        status_of = one.get("status", {})
        sync, health = status_of.get("sync", {}), status_of.get("health", {})
        state = f"{sync.get('status', 'unknown')}, {health.get('status', 'unknown')}"
        table.add_row(
            "application", one["metadata"]["name"], state, str(sync.get("revision", ""))[:12]
        )
    console.out.print(table)
