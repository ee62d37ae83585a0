"""Starts, removes or shows the local Kubernetes, or chooses a cluster of the user's."""

from pipeline.argocd import application, git_server
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import require_choice
from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes import node
from pipeline.targets import kubernetes as target


def run(action: str, context: str | None = None) -> Result:
    actions = {"up": lambda: up(context), "down": down, "status": status}
    require_choice("action", action, actions)
    return Result(up(context) if context and action == "status" else actions[action]())


def up(context: str | None = None) -> str:
    """Makes or starts the local cluster; with a context, uses that cluster of the user's from now on."""
    if context:
        kubernetes.choose(context)
        return f"the cluster of context {context} is used from now on"
    kubernetes.CONTEXT_FILE.unlink(missing_ok=True)
    kubernetes.up(target.registries())
    return f"kubectl --kubeconfig {kubernetes.KUBECONFIG} get nodes"


def down() -> str:
    """Removes the local cluster and all that runs in it; a cluster of the user's is only let go."""
    if kubernetes.CONTEXT_FILE.is_file():
        context = kubernetes.CONTEXT_FILE.read_text(encoding="utf-8").strip()
        kubernetes.CONTEXT_FILE.unlink()
        return f"the cluster of context {context} is left as it is"
    git_server.stop()
    with console.progress("cluster down"):
        return "cluster removed" if kubernetes.down() else "there was no cluster"


def status() -> str:
    """Prints the cluster's nodes and Argo CD's applications; returns what the local node is made by."""
    cluster = kubernetes.find()
    rows = []
    for item in cluster.items("nodes") if cluster else []:
        ready = "ready" if kubernetes.is_ready(item) else "not ready"
        version = item.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")
        rows.append(("node", item["metadata"]["name"], ready, version))
    for item in cluster.items(application.KIND, application.NAMESPACE) if cluster else []:
        sync, health = (item.get("status", {}).get(part, {}) for part in ("sync", "health"))
        state = f"{sync.get('status', 'unknown')}, {health.get('status', 'unknown')}"
        revision = str(sync.get("revision", ""))[:12]
        rows.append(("application", item["metadata"]["name"], state, revision))
    if cluster is None:
        return f"node: {node.described()}\nno cluster is up (./inv cluster up)"
    console.table(("kind", "name", "state", "detail"), rows)
    return f"node: {node.described()}" if cluster.local else f"cluster of context {cluster.context}"
