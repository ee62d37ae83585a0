"""The privileges that the Docker engine can grant a container: one that holds a cluster's node needs nearly all."""

import re
from pathlib import Path

from pipeline.core.errors import PipelineError
from pipeline.images import docker as engine

#: Capabilities by bit, as linux/capability.h numbers them; later ones are unknown to older engines.
CAPABILITIES = tuple(
    Path(__file__).with_name("capabilities.txt").read_text(encoding="utf-8").split()
)
#: Without these no container runtime works inside the container.
INDISPENSABLE = ("SYS_ADMIN", "NET_ADMIN", "MKNOD", "SYS_CHROOT", "SETFCAP")
PID_FILES = (Path("/var/run/docker.pid"), Path("/run/docker.pid"))


def rootless() -> bool:
    """Whether the engine runs without root's rights."""
    options = engine.client().info().get("SecurityOptions") or []
    return any("rootless" in option for option in options)


def missing() -> list[str]:
    """The capabilities that the engine lacks, as one inside a container or a sandbox often does.

    It refuses a container that asks for all of them (``--privileged``) then. Empty where that cannot be determined.
    """
    bounding = _bounding_set()
    if bounding is None:
        return []
    return [name for bit, name in enumerate(CAPABILITIES) if not bounding >> bit & 1]


def granted() -> list[str] | None:
    """The capabilities to ask for, or None where the engine can give all; PipelineError where no node can be."""
    lacking = missing()
    indispensable = ", ".join(name for name in INDISPENSABLE if name in lacking)
    if indispensable or rootless():
        reason = f"the Docker engine lacks the capabilities {indispensable}, which a node needs"
        if rootless():
            reason = "this Docker engine runs rootless, and a node needs root's rights"
        raise PipelineError(
            reason,
            next_step="use an engine with root's rights (DOCKER_HOST), or a cluster of your own with --context NAME",
        )
    return [name for name in CAPABILITIES if name not in lacking] if lacking else None


def _bounding_set() -> int | None:
    """The capabilities of the engine's process, when it runs on this machine."""
    for file in PID_FILES:
        try:
            pid = file.read_text(encoding="utf-8").strip()
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except OSError:
            continue
        match = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.M)
        if match:
            return int(match.group(1), 16)
    return None
