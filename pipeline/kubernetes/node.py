"""The local cluster's one node, a container of this checkout: kind's where it can be had, else our own."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from offline import node as node_own
from pipeline.core import console, ports
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file
from pipeline.images import docker as engine
from pipeline.kubernetes import flavours as node_flavours
from pipeline.kubernetes import images as clusterimages
from pipeline.kubernetes import kind as node_kind
from pipeline.kubernetes.flavours import NETWORK, Flavour, network_range

FLAVOURS = (node_own.FLAVOUR, node_kind.FLAVOUR)
STOP_SECONDS = 20


@dataclass(frozen=True)
class Registry:
    """Where the node really pulls the images of ``name`` from: the base URL of another registry."""

    name: str
    url: str


def flavour() -> Flavour | None:
    """The flavour of the node that there is, running or not; None when there is none."""
    return next((one for one in FLAVOURS if node_flavours.container(one.container)), None)


def choose() -> Flavour:
    """The flavour that a new node gets: kind's where the program is here and its image can be pulled, else our own."""
    obstacle = node_kind.obstacle()
    if obstacle is None and clusterimages.pull_kind() is not None:
        return node_kind.FLAVOUR
    if shutil.which("kind"):
        console.info(f"  the node is our own: {obstacle or 'the image of kind cannot be pulled'}")
    return node_own.FLAVOUR


def described() -> str:
    """Which node there is or would be, and why, in one line; starts and pulls nothing."""
    if engine.running_engine() is None:
        return "no Docker engine runs"
    existing = flavour()
    if existing is not None:
        return f"{existing.title} ({existing.container})"
    obstacle = node_kind.obstacle()
    if obstacle:
        return f"{node_own.FLAVOUR.title} when it is made: {obstacle}"
    return f"{node_kind.FLAVOUR.title} when it is made: kind is installed and its registry answers"


def container() -> Any | None:
    """The node's container, running or not; None when there is none."""
    found = (node_flavours.container(one.container) for one in FLAVOURS)
    return next((one for one in found if one is not None), None)


def started_at() -> datetime:
    """When the node was started last, in UTC; the earliest time there is while there is no node."""
    existing = container()
    if existing is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(existing.attrs["State"]["StartedAt"])


def address() -> str:
    """The node's address, which this machine reaches."""
    return node_flavours.address(container())


def gateway() -> str:
    """This machine's address as the node and its pods see it."""
    return str(network_range()[1])


def start() -> bool:
    """Starts the node, making what it needs; False when it was running already.

    Raises:
        PipelineError: A privilege or a port is missing, or the programs could not be built.
    """
    existing = flavour()
    found = container()
    if found is not None and found.status == "running":
        return False
    ports.require_free(ports.KUBERNETES_API, "the Kubernetes API")
    if existing is None or found is None:
        ports.require_free(ports.KUBERNETES_WEB, "the cluster's first load balancer")
        existing = choose()
        existing.make()
    else:
        found.start()
    existing.equip()
    return True


def stop() -> None:
    """Stops the node; its state is kept and ``start`` goes on from it."""
    existing = container()
    if existing is not None:
        existing.stop(timeout=STOP_SECONDS)


def remove() -> bool:
    """Removes the node with its state; True when there was one."""
    client = engine.client()
    removed = False
    for one in FLAVOURS:
        existing = node_flavours.container(one.container)
        if existing is not None:
            existing.remove(force=True, v=True)
            removed = True
        for name in one.volumes:
            for volume in client.volumes.list(filters={"name": f"^{name}$"}):
                volume.remove(force=True)
    for network in client.networks.list(names=[f"^{NETWORK}$"]):
        network.remove()
    return removed


def execute(argv: list[str]) -> tuple[int, str]:
    """Runs a command in the node: its code and its output."""
    existing = container()
    if existing is None:
        return 1, "there is no node"
    result = existing.exec_run(argv)
    return int(result.exit_code), result.output.decode("utf-8", "replace")


def kubeconfig() -> str:
    """An administrator's kubeconfig as the node has it.

    Raises:
        PipelineError: There is none.
    """
    existing = flavour()
    code, text = execute(["cat", existing.kubeconfig]) if existing else (1, "")
    if code != 0:
        raise PipelineError("the node has no kubeconfig", next_step="read its log", log=save_log())
    return text


def map_registries(registries: list[Registry]) -> None:
    """Tells the container runtime where to pull from; it asks anew at each pull.

    Raises:
        PipelineError: The node does not take it.
    """
    for one in registries:
        folder = f"/etc/containerd/certs.d/{one.name}"
        text = f'server = "{one.url}"\n[host."{one.url}"]\n  capabilities = ["pull", "resolve"]\n'
        script = f"mkdir -p '{folder}' && printf %s '{text}' >'{folder}/hosts.toml'"
        code, output = execute(["sh", "-c", script])
        if code != 0:
            raise PipelineError(
                f"the node does not take the registry {one.name}: {output.strip()}",
                next_step="run ./inv cluster down, then again",
                log=save_log(),
            )


def save_log() -> Path:
    """Collects the components' logs into one file for a failure's message; the file."""
    log = log_file("cluster-node")
    one, existing = flavour(), container()
    if one is None or existing is None:
        return log
    text = existing.logs(tail=100).decode("utf-8", "replace")
    if existing.status == "running":
        text += execute(["sh", "-c", one.logs])[1]
    log.write_text(text, encoding="utf-8")
    return log
