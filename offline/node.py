"""Our own node: a whole Kubernetes, built from source, in one container."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import docker.errors

from offline import images, programs
from pipeline.core import ports
from pipeline.core.errors import PipelineError
from pipeline.images import catalogue
from pipeline.images import docker as engine

IMAGE = f"{catalogue.PREFIX}/node:local"
HOSTNAME = "node"
CGROUPS = Path("/sys/fs/cgroup")
VOLUMES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "state": "/var/lib/cluster",
    "volumes": "/var/lib/volumes",
}


def make(
    *,
    name: str,
    network: str,
    cgroup: str,
    archives: Sequence[Path],
    capabilities: list[str] | None,
) -> None:
    """Makes and starts the node's container and its volumes, which are named after it.

    Args:
        network: The Docker network that it joins.
        cgroup: The name of its pods' cgroup.
        archives: Files with images for the container runtime.
        capabilities: Those that the engine can grant; None where it can grant all (``--privileged``).
    """
    images.build("node", IMAGE)
    client = engine.client()
    binds: dict[str, Mapping[str, str]] = {
        str(archive): {"bind": f"/opt/cluster/images/{archive.name}", "mode": "ro"}
        for archive in archives
    }
    binds[str(programs.ensure())] = {"bind": "/opt/cluster/bin", "mode": "ro"}
    for volume, path in VOLUMES.items():
        client.volumes.create(f"{name}-{volume}", labels=dict(engine.LABELS))
        binds[f"{name}-{volume}"] = {"bind": path, "mode": "rw"}
    unified = (CGROUPS / "cgroup.controllers").is_file()
    if not unified:
        binds[str(CGROUPS)] = {"bind": str(CGROUPS), "mode": "rw"}
    rights: dict[str, Any] = {"privileged": True}
    if capabilities is not None:
        rights = {
            "cap_add": capabilities,
            "devices": ["/dev/kmsg:/dev/kmsg"],
            "device_cgroup_rules": ["a *:* rwm"],
        }
    options = client.api.create_host_config(
        init=True,
        binds=binds,
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
        image=IMAGE,
        name=name,
        hostname=HOSTNAME,
        labels=dict(engine.LABELS),
        ports=[6443, 80],
        environment={
            "NODE_NAME": HOSTNAME,
            "CGROUP_ROOT": f"/{cgroup}",
            "UPSTREAM_DNS": " ".join(_name_servers()),
            # The state may be lost with the machine's power: it is made again by a sync from Git.
            "ETCD_UNSAFE_NO_FSYNC": "1",
        },
        host_config=options,
        networking_config=client.api.create_networking_config(
            {network: client.api.create_endpoint_config()}  # type: ignore[arg-type]
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
    for file in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
        reachable = [
            server for server in servers if ":" not in server and not server.startswith("127.")
        ]
        if reachable:
            return reachable
    # Without one, names outside the cluster are refused at once instead of being asked in a circle.
    return ["192.0.2.1"]
