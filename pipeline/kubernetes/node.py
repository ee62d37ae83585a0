"""The local cluster's one node, a container of this checkout: kind's where it can be had, else our own."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker.errors

from pipeline.core import console, locks, ports, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHECKOUT_ID, CLUSTER, log_file
from pipeline.images import catalogue
from pipeline.images import docker as engine
from pipeline.kubernetes import images, kind, privileges

# Not "ecs-…": the local AWS takes its own volumes and network by such a name.
NETWORK = CLUSTER
STOP_SECONDS = 20
#: What a node runs beside Kubernetes.
SCRIPTS = Path(__file__).with_name("scripts")
#: The cgroup of our own node's pods, which outlives the container where cgroups are version 1.
CGROUP = f"delivery-{CHECKOUT_ID}"


@dataclass(frozen=True)
class Flavour:
    """What differs between kind's node and our own.

    ``kubeconfig`` is an administrator's in the node, for a server on the node itself; ``log_command`` prints the
    components' last lines; ``make`` makes and starts the container.
    """

    title: str
    container: str
    kubeconfig: str
    log_command: str
    make: Callable[[], None]


def _make_own() -> None:
    from offline import provide  # noqa: PLC0415 - only where kind cannot be had

    provide.node(
        name=OWN.container,
        network=network().name,
        cgroup=CGROUP,
        archives=images.archives(),
        capabilities=privileges.granted(),
    )


def _make_kind() -> None:
    kind.make(network().name, images.archives(without=kind.INCLUDED))


OWN = Flavour(
    title="our own node",
    container=f"{CLUSTER}-node",
    kubeconfig="/var/lib/cluster/pki/admin.conf",
    log_command="tail -n 60 /var/log/cluster/*.log /var/log/agents.log",
    make=_make_own,
)
KIND = Flavour(
    title="kind's node",
    container=kind.CONTAINER,
    kubeconfig="/etc/kubernetes/admin.conf",
    log_command="journalctl --no-pager --lines 60 --unit kubelet --unit containerd; tail -n 60 /var/log/agents.log",
    make=_make_kind,
)


def choose() -> Flavour:
    """The flavour that a new node gets: kind's where the program is here and its image can be pulled, else our own."""
    obstacle = kind.obstacle()
    if obstacle is None and catalogue.pull("kind") is not None:
        return KIND
    if shutil.which("kind"):
        console.info(f"  the node is our own: {obstacle or 'the image of kind cannot be pulled'}")
    return OWN


def described() -> str:
    """Which node there is or would be, and why, in one line; starts and pulls nothing."""
    if engine.running_engine() is None:
        return "no Docker engine runs"
    flavour, container = find()
    if container is not None:
        return f"{flavour.title} ({flavour.container})"
    obstacle = kind.obstacle()
    if obstacle:
        return f"{OWN.title} when it is made: {obstacle}"
    return f"{KIND.title} when it is made: kind is installed and its registry answers"


def find() -> tuple[Flavour, Any | None]:
    """The node's flavour and its container, running or not; None for the container when there is none."""
    for flavour in (KIND, OWN):
        try:
            return flavour, engine.client().containers.get(flavour.container)
        except docker.errors.NotFound:
            continue
    return OWN, None


def running() -> bool:
    """Whether the node's container runs; starts nothing."""
    container = find()[1] if engine.running_engine() else None
    return container is not None and container.status == "running"


def started_at() -> datetime:
    """When the node was started last, in UTC; the earliest time there is while there is no node."""
    container = find()[1]
    if container is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(container.attrs["State"]["StartedAt"])


def address() -> str | None:
    """The node's address, which this machine reaches; None while the node does not run."""
    container = find()[1]
    networks = container.attrs["NetworkSettings"]["Networks"] if container is not None else {}
    return networks.get(NETWORK, {}).get("IPAddress") or None


def gateway() -> str:
    """This machine's address as the node and its pods see it."""
    return str(network().attrs["IPAM"]["Config"][0]["Gateway"])


def network() -> Any:
    """The node's network, made when it is missing: the node alone is in it, so that its address stays the same."""
    client = engine.client()
    with locks.exclusive("cluster-network", wait=True):
        for present in client.networks.list(names=[f"^{NETWORK}$"]):
            return present
        client.networks.create(NETWORK, labels=dict(engine.LABELS))
    return client.networks.get(NETWORK)


def start() -> None:
    """Starts the node with all that it needs, unless it runs."""
    flavour, container = find()
    if container is None:
        ports.require_free(ports.KUBERNETES_API, "the Kubernetes API")
        ports.require_free(ports.KUBERNETES_WEB, "the cluster's first load balancer")
        flavour = choose()
        flavour.make()
        container = engine.client().containers.get(flavour.container)
    elif container.status != "running":
        ports.require_free(ports.KUBERNETES_API, "the Kubernetes API")
        container.start()
    docker_cli = engine.builder()
    copy = [docker_cli.argv[0], "cp", str(SCRIPTS), f"{flavour.container}:/opt/cluster/"]
    process.capture(copy, env=docker_cli.env)
    settings = {"KUBECONFIG": flavour.kubeconfig}
    container.exec_run("/opt/cluster/scripts/agents.sh", detach=True, environment=settings)


def stop() -> None:
    """Stops the node; its state is kept and ``start`` goes on from it."""
    container = find()[1]
    if container is not None:
        container.stop(timeout=STOP_SECONDS)


def remove() -> bool:
    """Removes the node with its state; True when there was one."""
    client = engine.client()
    container = find()[1]
    if container is not None:
        container.remove(force=True, v=True)
    for volume in client.volumes.list(filters={"name": f"^{OWN.container}-"}):
        volume.remove(force=True)
    for network in client.networks.list(names=[f"^{NETWORK}$"]):
        network.remove()
    return container is not None


def remove_cgroups() -> None:
    """Removes the cgroups that pods of our own node left behind, where this user may; empty ones cost nothing."""
    for root in (*Path("/sys/fs/cgroup").glob(CGROUP), *Path("/sys/fs/cgroup").glob(f"*/{CGROUP}")):
        for folder, _, _ in os.walk(root, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                return


def execute(argv: list[str]) -> tuple[int, str]:
    """Runs a command in the node: its code and its output."""
    container = find()[1]
    if container is None:
        return 1, "there is no node"
    result = container.exec_run(argv)
    return int(result.exit_code), result.output.decode("utf-8", "replace")


def kubeconfig() -> str:
    """An administrator's kubeconfig as the node has it."""
    code, text = execute(["cat", find()[0].kubeconfig])
    if code != 0:
        raise PipelineError("the node has no kubeconfig", next_step="read its log", log=save_log())
    return text


def map_registries(registries: Mapping[str, str]) -> None:
    """Configures where the container runtime pulls from; it reads this anew at each pull.

    ``registries`` are the base URLs of the registries that really have the images, by those in the images' names.
    """
    for name, url in registries.items():
        folder = f"/etc/containerd/certs.d/{name}"
        text = f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
        script = f"mkdir -p '{folder}' && printf %s '{text}' >'{folder}/hosts.toml'"
        code, output = execute(["sh", "-c", script])
        if code != 0:
            raise PipelineError(
                f"the node does not take the registry {name}: {output.strip()}",
                next_step="run ./inv cluster down, then again",
                log=save_log(),
            )


def save_log() -> Path:
    """Collects the components' logs into one file for a failure's message; the file."""
    log = log_file("cluster-node")
    flavour, container = find()
    if container is not None:
        text = container.logs(tail=100).decode("utf-8", "replace")
        if container.status == "running":
            text += execute(["sh", "-c", flavour.log_command])[1]
        log.write_text(text, encoding="utf-8")
    return log
