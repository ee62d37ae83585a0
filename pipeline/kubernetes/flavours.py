"""What the flavours of the node have in common (a container in a network of this checkout), and how they differ."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import docker.errors
import docker.types

from pipeline.core import locks
from pipeline.core.paths import CACHE, CLUSTER
from pipeline.images import docker as engine

# Not "ecs-…": the local AWS takes its own volumes and network by such a name.
NETWORK = CLUSTER


@dataclass(frozen=True)
class Flavour:
    """What differs between the nodes that the local cluster can have.

    Args:
        title: What a user calls it.
        container: The name of its container.
        volumes: The names of its named volumes; those without a name go with the container.
        kubeconfig: Where an administrator's kubeconfig lies in it, for a server on the node itself.
        logs: The shell command in it that prints the components' last lines.
        make: Makes and starts the container; raises PipelineError when it cannot.
        equip: Gives a node that has just been started what its image lacks; raises PipelineError when it cannot.
    """

    title: str
    container: str
    volumes: tuple[str, ...]
    kubeconfig: str
    logs: str
    make: Callable[[], None]
    equip: Callable[[], None]


def container(name: str) -> Any | None:
    """The container of this name, running or not; None when there is none."""
    try:
        return engine.client().containers.get(name)
    except docker.errors.NotFound:
        return None


def address(node: Any | None) -> str:
    """The address of a node's container in its network: that of the first one while it has none."""
    networks = node.attrs["NetworkSettings"]["Networks"] if node is not None else {}
    return str(networks.get(NETWORK, {}).get("IPAddress") or network_range()[2])


def network_range() -> IPv4Network:
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
