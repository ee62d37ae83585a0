"""Shows which tools and ports this machine has, and what to do about the rest."""

import shutil

from pipeline.commands import Result
from pipeline.core import console, ports, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, ROOT
from pipeline.kubernetes import node

#: Free disk below which a first build is likely to fail: base images, engine layers and caches together.
GIB = 1024**3
DISK_BYTES = 5 * GIB

PORTS = {
    "compose": ports.COMPOSE_WEB,
    "local AWS": ports.AWS_API,
    "load balancer": ports.BALANCER_HTTP,
    "Kubernetes API": ports.KUBERNETES_API,
    "Kubernetes load balancer": ports.KUBERNETES_WEB,
    "Git stand-in": ports.GIT,
}


def run() -> Result:
    """Prints the tables; obtains nothing."""
    missing = [*_tools(), *_disk()]
    rows = [
        (str(port), purpose, "free" if ports.is_free(port) else f"used by {ports.holder(port)}")
        for purpose, port in PORTS.items()
    ]
    console.table(("port", "for", "now"), rows, title="Ports")
    if missing:
        raise PipelineError(
            f"not ready: {', '.join(missing)}",
            next_step="do what the table says, then run ./inv doctor",
        )
    return Result(f"Kubernetes: {node.described()}")


def _tools() -> list[str]:
    rows, missing = [], []
    for entry in tools.catalogue().values():
        found = tools.find(entry)
        version = found[1] if found else "[yellow]missing[/]"
        todo = "" if found else "nothing: obtained by the task that needs it"
        if not found and entry.source == "path":
            todo = entry.missing
            missing.append(entry.name)
        wanted = entry.wanted or entry.pinned or "as locked"
        rows.append((entry.name, entry.purpose, wanted, version, entry.source, todo))
    console.table(("tool", "for", "wanted", "found", "from", "what to do"), rows, title="Tools")
    return missing


def _disk() -> list[str]:
    missing = []
    for title, folder in (("checkout", ROOT), ("cache", CACHE)):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        console.info(f"Free disk ({title}): {free / GIB:.1f} GiB of {DISK_BYTES / GIB:.0f} needed")
        if free < DISK_BYTES:
            missing.append(f"disk of the {title}")
    return missing
