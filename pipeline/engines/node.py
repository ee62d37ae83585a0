"""The local cluster's one node: a container of this checkout that holds a whole Kubernetes."""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker.errors
import docker.types

from pipeline import locks, ports
from pipeline.engines import clusterimages, programs
from pipeline.engines import docker as engine
from pipeline.errors import PipelineError
from pipeline.paths import CACHE, CHECKOUT_ID, log_file

# Not "ecs-…": the local AWS takes its own volumes and network by such a name.
NAME = f"kubernetes-{CHECKOUT_ID}-node"
NETWORK = f"kubernetes-{CHECKOUT_ID}"
HOSTNAME = "node"
CGROUP_ROOT = f"/ecs-saas-app-{CHECKOUT_ID}"
CGROUPS = Path("/sys/fs/cgroup")
VOLUMES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "state": "/var/lib/cluster",
    "volumes": "/var/lib/volumes",
}
#: Capabilities by bit, as linux/capability.h numbers them; later ones are unknown to older engines.
CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
)
#: Without these no container runtime works inside the container.
INDISPENSABLE = ("SYS_ADMIN", "NET_ADMIN", "MKNOD", "SYS_CHROOT", "SETFCAP")
STOP_SECONDS = 20


@dataclass(frozen=True)
class Registry:
    """Where the node really pulls the images of ``name`` from: the base URL of another registry."""

    name: str
    url: str


def container() -> Any | None:
    """The node's container, running or not; None when there is none."""
    try:
        return engine.client().containers.get(NAME)
    except docker.errors.NotFound:
        return None


def started_at() -> datetime:
    """When the node was started last, in UTC; the earliest time there is while there is no node."""
    existing = container()
    if existing is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(existing.attrs["State"]["StartedAt"])


def address() -> str:
    """The node's address, which this machine reaches."""
    return str(_network_range()[2])


def gateway() -> str:
    """This machine's address as the node and its pods see it."""
    return str(_network_range()[1])


def start() -> bool:
    """Starts the node, making what it needs; False when it was running already.

    Raises:
        PipelineError: A privilege or a port is missing, or the programs could not be built.
    """
    existing = container()
    if existing is not None:
        if existing.status == "running":
            return False
        ports.require_free(ports.KUBERNETES_API, "the Kubernetes API")
        existing.start()
        return True
    binaries = programs.ensure()
    image = clusterimages.node()
    archives = clusterimages.archives()
    ports.require_free(ports.KUBERNETES_API, "the Kubernetes API")
    ports.require_free(ports.KUBERNETES_WEB, "the cluster's first load balancer")
    _run(image, binaries, archives)
    return True


def stop() -> None:
    """Stops the node; its state is kept and ``start`` goes on from it."""
    existing = container()
    if existing is not None:
        existing.stop(timeout=STOP_SECONDS)


def remove() -> bool:
    """Removes the node with its state; True when there was one."""
    existing = container()
    client = engine.client()
    if existing is not None:
        existing.remove(force=True, v=True)
    for name in VOLUMES:
        for volume in client.volumes.list(filters={"name": f"^{_volume(name)}$"}):
            volume.remove(force=True)
    for network in client.networks.list(names=[f"^{NETWORK}$"]):
        network.remove()
    return existing is not None


def execute(argv: list[str]) -> tuple[int, str]:
    """Runs a command in the node: its code and its output."""
    existing = container()
    if existing is None:
        return 1, "there is no node"
    result = existing.exec_run(argv)
    return int(result.exit_code), result.output.decode("utf-8", "replace")


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
    existing = container()
    if existing is None:
        return log
    text = existing.logs(tail=100).decode("utf-8", "replace")
    if existing.status == "running":
        text += execute(["sh", "-c", "tail -n 60 /var/log/cluster/*.log"])[1]
    log.write_text(text, encoding="utf-8")
    return log


def _run(image: str, binaries: Path, archives: list[Path]) -> None:
    client = engine.client()
    network = _network_range()
    granted = capabilities()
    volumes: dict[str, Mapping[str, str]] = {
        _volume(name): {"bind": path, "mode": "rw"} for name, path in VOLUMES.items()
    }
    for name in volumes:
        client.volumes.create(name, labels=dict(engine.LABELS))
    volumes[str(binaries)] = {"bind": "/opt/cluster/bin", "mode": "ro"}
    for archive in archives:
        volumes[str(archive)] = {"bind": f"/opt/cluster/images/{archive.name}", "mode": "ro"}
    volumes[str(CGROUPS)] = {"bind": str(CGROUPS), "mode": "rw"}
    unified = (CGROUPS / "cgroup.controllers").is_file()
    if unified:
        del volumes[str(CGROUPS)]
    privileges: dict[str, Any] = {"privileged": True}
    if granted is not None:
        privileges = {
            "cap_add": granted,
            "devices": ["/dev/kmsg:/dev/kmsg"],
            "device_cgroup_rules": ["a *:* rwm"],
        }
    options = client.api.create_host_config(
        init=True,
        binds=volumes,
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        port_bindings={
            6443: ("127.0.0.1", ports.KUBERNETES_API),
            80: ("127.0.0.1", ports.KUBERNETES_WEB),
        },
        tmpfs={"/run": "exec", "/tmp": ""},  # noqa: S108 - the container's own
        **privileges,
    )
    # The client library has no words for these; the engine's API has. Nothing of /proc and /sys is hidden from a node.
    options["CgroupnsMode"] = "private" if unified else "host"
    options["MaskedPaths"] = []
    options["ReadonlyPaths"] = []
    created = client.api.create_container(
        image=image,
        name=NAME,
        hostname=HOSTNAME,
        labels=dict(engine.LABELS),
        ports=[6443, 80],
        environment={
            "NODE_NAME": HOSTNAME,
            "NODE_ADDRESS": str(network[2]),
            "LOAD_BALANCER_FIRST": str(network.broadcast_address - 254),
            "CGROUP_ROOT": CGROUP_ROOT,
            "UPSTREAM_DNS": " ".join(_name_servers()),
            # The state may be lost with the machine's power: it is made again by a sync from Git.
            "ETCD_UNSAFE_NO_FSYNC": "1",
        },
        host_config=options,
        networking_config=client.api.create_networking_config(
            {NETWORK: client.api.create_endpoint_config(ipv4_address=str(network[2]))}  # type: ignore[arg-type]
        ),
    )
    try:
        client.api.start(created)
    except docker.errors.APIError as error:
        client.api.remove_container(created, force=True)
        raise PipelineError(
            f"the engine may not start a container that is a node: {error.explanation or error}",
            next_step="use an engine that runs as root, or a cluster of your own with --context NAME",
        ) from error


def _volume(name: str) -> str:
    return f"{NAME}-{name}"


def _network_range() -> IPv4Network:
    """The range of the node's network, which is made when it is missing.

    A container gets an address of our choice only in a network whose range was named when it was made: so the engine is
    asked for a free range first.
    """
    client = engine.client()
    with locks.exclusive("cluster-network", CACHE / "locks", wait=True):
        found = client.networks.list(names=[f"^{NETWORK}$"])
        if not found:
            probe = client.networks.create(
                f"{NETWORK}-{secrets.token_hex(4)}", labels=dict(engine.LABELS)
            )
            probe.reload()
            subnet = probe.attrs["IPAM"]["Config"][0]["Subnet"]
            probe.remove()
            pool = docker.types.IPAMPool(subnet=subnet, gateway=str(IPv4Network(subnet)[1]))
            found = [
                client.networks.create(
                    NETWORK,
                    labels=dict(engine.LABELS),
                    ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                )
            ]
        found[0].reload()
    return IPv4Network(found[0].attrs["IPAM"]["Config"][0]["Subnet"])


def capabilities() -> list[str] | None:
    """The capabilities to ask for one by one, or None where the engine can give all (``--privileged``).

    An engine inside a container or a sandbox often lacks a few, and refuses to be asked for all of them.

    Raises:
        PipelineError: One that no node can do without is missing, or the engine runs without root's rights.
    """
    options = engine.client().info().get("SecurityOptions") or []
    if any("rootless" in one for one in options):
        raise PipelineError(
            "this Docker engine runs rootless, and a node needs an engine that runs as root",
            next_step="use another engine (DOCKER_HOST), or a cluster of your own with --context NAME",
        )
    bounding = _bounding_set()
    if bounding is None:
        return None
    missing = [name for bit, name in enumerate(CAPABILITIES) if not bounding >> bit & 1]
    lacking = [name for name in INDISPENSABLE if name in missing]
    if lacking:
        raise PipelineError(
            f"the Docker engine lacks the capabilities {', '.join(lacking)}, which a node needs",
            next_step="use an engine with root's rights, or a cluster of your own with --context NAME",
        )
    if not missing:
        return None
    return [name for name in CAPABILITIES if name not in missing]


def _bounding_set() -> int | None:
    """The engine's capabilities where they can be told: those of its process, when it runs on this machine."""
    for pid_file in (Path("/var/run/docker.pid"), Path("/run/docker.pid")):
        try:
            status = Path(f"/proc/{pid_file.read_text(encoding='utf-8').strip()}/status").read_text(
                encoding="utf-8"
            )
        except OSError:
            continue
        match = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.M)
        if match:
            return int(match.group(1), 16)
    return None


def _name_servers() -> list[str]:
    """This machine's name servers that a container can reach; the engine's own resolver is not one for pods."""
    found: list[str] = []
    for file in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        if Path(file).is_file():
            lines = Path(file).read_text(encoding="utf-8").splitlines()
            found = [
                line.split()[1]
                for line in lines
                if line.startswith("nameserver ") and ":" not in line
            ]
            found = [one for one in found if not one.startswith("127.")]
        if found:
            break
    # Without one, names outside the cluster are refused at once instead of being asked in a circle.
    return found or ["192.0.2.1"]


def remove_cgroups() -> None:
    """Removes the cgroups that the pods left behind, where this user may; empty ones cost nothing."""
    if not os.access(CGROUPS, os.W_OK):
        return
    for root in [CGROUPS / CGROUP_ROOT.strip("/"), *CGROUPS.glob(f"*{CGROUP_ROOT}")]:
        for folder, _, _ in os.walk(root, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                return
