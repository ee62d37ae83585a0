"""What the Docker engine may grant a container: one that holds a cluster's node needs nearly all of it."""

import re
from pathlib import Path

from pipeline.core.errors import PipelineError
from pipeline.images import docker as engine

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


def rootless() -> bool:
    """Whether the engine runs without root's rights."""
    options = engine.client().info().get("SecurityOptions") or []
    return any("rootless" in one for one in options)


def missing() -> list[str]:
    """The capabilities that the engine lacks, as one inside a container or a sandbox often does.

    It refuses a container that asks for all of them (``--privileged``) then. Empty where that cannot be told.
    """
    bounding = _bounding_set()
    if bounding is None:
        return []
    return [name for bit, name in enumerate(CAPABILITIES) if not bounding >> bit & 1]


def granted() -> list[str] | None:
    """The capabilities to ask for one by one, or None where the engine can give all (``--privileged``).

    Raises:
        PipelineError: One that no node can do without is missing, or the engine runs without root's rights.
    """
    if rootless():
        raise PipelineError(
            "this Docker engine runs rootless, and a node needs an engine that runs as root",
            next_step="use another engine (DOCKER_HOST), or a cluster of your own with --context NAME",
        )
    lacked = missing()
    lacking = [name for name in INDISPENSABLE if name in lacked]
    if lacking:
        raise PipelineError(
            f"the Docker engine lacks the capabilities {', '.join(lacking)}, which a node needs",
            next_step="use an engine with root's rights, or a cluster of your own with --context NAME",
        )
    if not lacked:
        return None
    return [name for name in CAPABILITIES if name not in lacked]


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
