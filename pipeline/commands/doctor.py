"""The doctor: which tools and ports this machine has, where they come from, and what to do about the rest."""

import shutil

from rich.table import Table

from pipeline.core import console, ports, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, LOCAL
from pipeline.kubernetes import node

#: Free disk below which a first build is likely to fail: base images, engine layers and caches together.
DISK_BYTES = 5 * 1024**3

PORTS = {
    "compose": ports.COMPOSE_WEB,
    "local AWS": ports.AWS_API,
    "local AWS (scaling, alarms)": ports.MOTO,
    "load balancer": ports.BALANCER_HTTP,
    "Kubernetes API": ports.KUBERNETES_API,
    "Kubernetes load balancer": ports.KUBERNETES_WEB,
    "Git stand-in": ports.GIT,
}


def run() -> None:
    """Prints the tables; obtains nothing.

    Raises:
        PipelineError: Something is missing that no task can obtain by itself.
    """
    stuck = _tools() + _disk()
    _ports()
    console.info(f"Kubernetes: {node.described()}")
    if stuck:
        raise PipelineError(
            f"not ready: {', '.join(stuck)}",
            next_step="do what the table says, then run ./inv doctor",
        )


def _tools() -> list[str]:
    table = Table(title="Tools", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("tool", "for", "wanted", "found", "from", "what to do"):
        table.add_column(heading)
    stuck = []
    for entry in tools.catalogue().values():
        found = tools.find(entry)
        if found:
            todo = ""
        elif entry.source == "path":
            todo = entry.settings["missing"]
            stuck.append(entry.name)
        else:
            todo = "nothing: obtained by the task that needs it"
        version = (found.version or "locked") if found else "[yellow]missing[/]"
        table.add_row(entry.name, entry.purpose, entry.wanted, version, entry.source, todo)
    console.out.print(table)
    return stuck


def _disk() -> list[str]:
    stuck = []
    for title, folder in (("checkout", LOCAL.parent), ("cache", CACHE)):
        while not folder.exists():
            folder = folder.parent  # noqa: PLW2901 - the nearest folder that exists
        free = shutil.disk_usage(folder).free
        enough = free >= DISK_BYTES
        mark = "" if enough else f" [red]less than {DISK_BYTES / 1024**3:.0f} GiB: free some[/]"
        console.out.print(f"Free disk ({title}): {free / 1024**3:.1f} GiB{mark}")
        if not enough:
            stuck.append(f"disk of the {title}")
    return stuck


def _ports() -> None:
    table = Table(title="Ports", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("port", "for", "now"):
        table.add_column(heading)
    for purpose, port in PORTS.items():
        now = "free" if ports.is_free(port) else f"used by {ports.holder(port)}"
        table.add_row(str(port), purpose, now)
    console.out.print(table)
