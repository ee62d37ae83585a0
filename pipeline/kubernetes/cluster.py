"""A Kubernetes cluster and how to talk to it: the local one, or one of the user's by the name of its context."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from offline import node as node_own
from pipeline.core import console, files, locks, ports, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ENGINES
from pipeline.core.waiting import wait
from pipeline.kubernetes import node
from pipeline.kubernetes.node import Registry
from pipeline.kubernetes.programs import program

FOLDER = ENGINES / "cluster"
KUBECONFIG = FOLDER / "kubeconfig"
CONTEXT_FILE = FOLDER / "context"
LOCAL_CONTEXT = "local"
READY_SECONDS = 90


@dataclass(frozen=True)
class Cluster:
    """How a cluster is reached: a context of a kubeconfig. ``local`` is the one made here."""

    context: str
    kubeconfig: Path | None
    local: bool

    @property
    def kubectl(self) -> list[str]:
        """The kubectl command up to its subcommand."""
        argv = [str(program("kubectl")), "--context", self.context]
        return [*argv, "--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else argv

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of a kubectl command; raises CommandFailedError with its last error line."""
        return process.capture([*self.kubectl, *arguments], stdin=stdin)

    def get(
        self, kind: str, name: str = "", namespace: str = "", selector: str = ""
    ) -> dict[str, Any] | None:
        """One object, or the list of them without a name; None when there is no such object or kind.

        Args:
            namespace: ``*`` asks in all namespaces.
        """
        argv = ["get", kind, *([name] if name else []), "--output", "json"]
        if namespace:
            argv += ["--all-namespaces"] if namespace == "*" else ["--namespace", namespace]
        if selector:
            argv += ["--selector", selector]
        try:
            loaded: dict[str, Any] = json.loads(self.run(*argv))
        except CommandFailedError as error:
            words = " ".join(error.tail)
            if "NotFound" in words or "doesn't have a resource type" in words:
                return None
            raise
        return loaded

    def items(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind; empty when the cluster does not know the kind."""
        found = self.get(kind, namespace=namespace, selector=selector)
        return list(found["items"]) if found else []

    def apply(self, manifest: str, *, namespace: str = "", manager: str = "ecs-saas-app") -> None:
        """Applies a manifest on the server's side; what others manage is taken over.

        Raises:
            CommandFailedError: The API refuses it.
        """
        where = ["--namespace", namespace] if namespace else []
        self.run(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager",
            manager,
            *where,
            "--filename",
            "-",
            stdin=manifest,
        )

    def ensure_namespace(self, name: str) -> None:
        """Makes a namespace unless it is there."""
        self.apply(
            json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        )


def up(registries: Sequence[Registry] = ()) -> Cluster:
    """The local cluster, made or started when it does not run; ready for pods afterwards.

    Args:
        registries: Where images of other registries' names are really pulled from.

    Raises:
        PipelineError: A privilege, a port or a tool is missing, or it was not ready in time.
    """
    with locks.exclusive("cluster", wait=True):
        if not (alive() and _ready(_local())):
            existing = node.container()
            if existing is None or existing.status != "running":
                node.start()
            with console.progress("Kubernetes cluster") as step:
                _await(_api_answers, "the Kubernetes API did not answer", step.update)
                _write_kubeconfig()
                _await(lambda: _ready(_local()), "the node was not ready", step.update)
        node.map_registries(list(registries))
    return _local()


def down() -> bool:
    """Removes the local cluster with all that runs in it; True when there was one."""
    with locks.exclusive("cluster", wait=True):
        removed = node.remove()
        forget()
    return removed


def forget() -> None:
    """Removes what this machine keeps of a local cluster whose node is gone."""
    node_own.remove_cgroups()
    shutil.rmtree(FOLDER, ignore_errors=True)


def alive() -> bool:
    """Whether the local cluster's node runs."""
    existing = node.container() if KUBECONFIG.is_file() else None
    return existing is not None and existing.status == "running"


def find() -> Cluster | None:
    """The cluster in use (chosen by ``choose``, else the local one) when it answers; starts nothing."""
    if CONTEXT_FILE.is_file():
        return _named(CONTEXT_FILE.read_text(encoding="utf-8").strip())
    return _local() if alive() else None


def from_content(kubeconfig: str) -> Cluster:
    """The cluster that the text of a kubeconfig leads to by its current context; the text is kept in ``.local``."""
    file = FOLDER / "kubeconfig-given"
    files.write(file, kubeconfig, mode=files.PRIVATE)
    context = process.capture(
        [program("kubectl"), "--kubeconfig", str(file), "config", "current-context"]
    )
    return Cluster(context.strip(), file, local=False)


def choose(context: str) -> Cluster:
    """Uses a cluster of the user's from now on, by its context in their kubeconfig.

    Raises:
        PipelineError: There is no such context or the cluster does not answer.
    """
    cluster = _named(context)
    try:
        cluster.run("get", "--raw", "/readyz")
    except CommandFailedError as error:
        raise PipelineError(
            f"the cluster of context {context!r} does not answer: {error.tail[-1] if error.tail else error.cause}",
            next_step="kubectl config get-contexts shows the contexts",
        ) from error
    files.write(CONTEXT_FILE, context)
    return cluster


def service_url(cluster: Cluster, namespace: str, name: str) -> str | None:
    """Where a Service of type LoadBalancer answers on this machine; None while it has no address."""
    service = cluster.get("service", name, namespace)
    if service is None:
        return None
    ingress = (service["status"].get("loadBalancer", {}).get("ingress") or [{}])[0]
    host = ingress.get("hostname") or ingress.get("ip")
    if not host:
        return None
    port = service["spec"]["ports"][0]["port"]
    if cluster.local and host == node.address():
        return f"http://localhost:{ports.KUBERNETES_WEB}"
    return f"http://{host}" if port == 80 else f"http://{host}:{port}"  # noqa: PLR2004 - HTTP's own port


def _local() -> Cluster:
    return Cluster(LOCAL_CONTEXT, KUBECONFIG, local=True)


def _named(context: str) -> Cluster:
    return Cluster(context, None, local=False)


def _api_answers() -> bool:
    return node.execute(["kubectl", "get", "--raw", "/readyz"])[0] == 0


def _ready(cluster: Cluster) -> bool:
    """Whether the node takes pods and the pods' network has its names (a default service account, the DNS address)."""
    try:
        conditions = [
            one
            for entry in cluster.items("nodes")
            for one in entry["status"].get("conditions", [])
            if one["type"] == "Ready"
        ]
        started = node.started_at().replace(microsecond=0)
        return (
            # What a node said before it was stopped counts for nothing.
            any(
                one["status"] == "True"
                and datetime.fromisoformat(one["lastHeartbeatTime"]) >= started
                for one in conditions
            )
            and cluster.get("service", "kube-dns", "kube-system") is not None
        )
    except CommandFailedError:
        return False


def _await(check: Callable[[], bool], problem: str, update: Callable[[str], None]) -> None:
    def still() -> bool:
        existing = node.container()
        if existing is None or existing.status not in ("running", "created"):
            raise PipelineError(
                "the cluster's node ended", next_step="read its log", log=node.save_log()
            )
        update("starting")
        return check()

    if not wait(still, timeout=READY_SECONDS, interval=0.1):
        raise PipelineError(
            f"{problem} within {READY_SECONDS} s", next_step="read the log", log=node.save_log()
        )


def _write_kubeconfig() -> None:
    """Writes the node's kubeconfig as this machine uses it: its own address, one context for any node."""
    config = YAML(typ="safe").load(node.kubeconfig())
    [entry], [context] = config["clusters"], config["contexts"]
    entry["cluster"]["server"] = f"https://127.0.0.1:{ports.KUBERNETES_API}"
    context["name"] = config["current-context"] = LOCAL_CONTEXT
    files.write(KUBECONFIG, json.dumps(config, indent=1), mode=files.PRIVATE)
