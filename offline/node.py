"""Our own node: a whole Kubernetes, built from source, in one container. It needs no registry."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors

from offline import programs
from pipeline.core import ports
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHECKOUT_ID, CLUSTER
from pipeline.images import docker as engine
from pipeline.kubernetes import images as clusterimages
from pipeline.kubernetes import privileges
from pipeline.kubernetes.flavours import NETWORK, Flavour, network_range

NAME = f"{CLUSTER}-node"
HOSTNAME = "node"
CGROUP_ROOT = f"/ecs-saas-app-{CHECKOUT_ID}"
CGROUPS = Path("/sys/fs/cgroup")
VOLUMES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "state": "/var/lib/cluster",
    "volumes": "/var/lib/volumes",
}


def _make() -> None:
    binaries = programs.ensure()
    image = clusterimages.node()
    archives = clusterimages.archives()
    client = engine.client()
    network = network_range()
    granted = privileges.granted()
    volumes: dict[str, Mapping[str, str]] = {
        f"{NAME}-{name}": {"bind": path, "mode": "rw"} for name, path in VOLUMES.items()
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
    rights: dict[str, Any] = {"privileged": True}
    if granted is not None:
        rights = {
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
        **rights,
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


def _equip() -> None:
    """Its image starts all that it needs."""


FLAVOUR = Flavour(
    title="our own node",
    container=NAME,
    volumes=tuple(f"{NAME}-{name}" for name in VOLUMES),
    kubeconfig="/var/lib/cluster/pki/admin.conf",
    logs="tail -n 60 /var/log/cluster/*.log",
    make=_make,
    equip=_equip,
)
