"""The Kubernetes cluster in use: the local one, or one of the user's by the name of its context."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core import console, files, locks, ports, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ENGINES
from pipeline.core.waiting import wait
from pipeline.kubernetes import node
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
        """One object, or the list of them without a name; None when there is none."""
        argv = ["get", kind, *([name] if name else []), "--output", "json"]
        argv += ["--namespace", namespace] if namespace else []
        argv += ["--selector", selector] if selector else []
        try:
            answer: dict[str, Any] = json.loads(self.run(*argv))
        except CommandFailedError as error:
            message = " ".join(error.tail)
            if "NotFound" in message or "doesn't have a resource type" in message:
                return None
            raise
        return answer

    def items(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind; empty when the cluster does not know the kind."""
        listed = self.get(kind, namespace=namespace, selector=selector)
        return list(listed["items"]) if listed else []

    def apply(self, manifest: str, *, namespace: str = "", manager: str = "delivery") -> None:
        """Applies a manifest on the server's side; what others manage is taken over."""
        argv = ["apply", "--server-side", "--force-conflicts", "--field-manager", manager]
        argv += ["--namespace", namespace] if namespace else []
        self.run(*argv, "--filename", "-", stdin=manifest)


LOCAL = Cluster(LOCAL_CONTEXT, KUBECONFIG, local=True)


def is_ready(item: Mapping[str, Any]) -> bool:
    """Whether a pod or node reports to be ready; one that was just made reports nothing yet."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def up(registries: Mapping[str, str]) -> Cluster:
    """The local cluster, made or started when it does not run; ready for pods afterwards.

    ``registries`` are those of ``node.map_registries``. Raises PipelineError where a privilege, a port or a tool is
    missing, or it was not ready in time.
    """
    with locks.exclusive("cluster", wait=True):
        node.start()
        if not (KUBECONFIG.is_file() and _ready()):
            with console.progress("Kubernetes cluster") as step:
                _await(_api_answers, "the Kubernetes API did not answer", step.update)
                _write_kubeconfig()
                _await(_ready, "the node was not ready", step.update)
        node.map_registries(registries)
    return LOCAL


def down() -> bool:
    """Removes the local cluster with all that runs in it; True when there was one."""
    with locks.exclusive("cluster", wait=True):
        removed = node.remove()
        forget()
    return removed


def forget() -> None:
    """Removes what this machine keeps of a local cluster whose node is gone."""
    node.remove_cgroups()
    shutil.rmtree(FOLDER, ignore_errors=True)


def find() -> Cluster | None:
    """The cluster in use; starts nothing.

    That is the current context of KUBECONFIG_CONTENT (a secret of the workflows), else the context that was chosen,
    else the local cluster while its node runs.
    """
    content = os.environ.get("KUBECONFIG_CONTENT")
    if content:
        file = FOLDER / "kubeconfig-given"
        files.write(file, content, mode=files.PRIVATE)
        context = process.capture(
            [program("kubectl"), "--kubeconfig", file, "config", "current-context"]
        )
        return Cluster(context.strip(), file, local=False)
    if CONTEXT_FILE.is_file():
        return Cluster(CONTEXT_FILE.read_text(encoding="utf-8").strip(), None, local=False)
    return LOCAL if KUBECONFIG.is_file() and node.running() else None


def choose(context: str) -> Cluster:
    """Uses a cluster of the user's from now on, by its context in their kubeconfig, when it answers."""
    cluster = Cluster(context, None, local=False)
    try:
        cluster.run("get", "--raw", "/readyz")
    except CommandFailedError as error:
        raise PipelineError(
            f"the cluster of context {context!r} does not answer: {error.tail[-1] if error.tail else error.cause}",
            next_step="kubectl config get-contexts shows the contexts",
        ) from error
    files.write(CONTEXT_FILE, context)
    return cluster


def _api_answers() -> bool:
    return node.execute(["kubectl", "get", "--raw", "/readyz"])[0] == 0


def _ready() -> bool:
    """Whether the node takes pods and the pods' network has its names (a default service account, the DNS address)."""
    # What a node reported before it was stopped counts for nothing.
    started = node.started_at().replace(microsecond=0)
    try:
        return LOCAL.get("service", "kube-dns", "kube-system") is not None and any(
            condition["status"] == "True"
            and datetime.fromisoformat(condition["lastHeartbeatTime"]) >= started
            for item in LOCAL.items("nodes")
            for condition in item["status"].get("conditions", [])
            if condition["type"] == "Ready"
        )
    except CommandFailedError:
        return False


def _await(check: Callable[[], bool], problem: str, update: Callable[[str], None]) -> None:
    def checked() -> bool:
        if not node.running():
            raise PipelineError(
                "the cluster's node ended", next_step="read its log", log=node.save_log()
            )
        update("starting")
        return check()

    if not wait(checked, timeout=READY_SECONDS, interval=0.1):
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
