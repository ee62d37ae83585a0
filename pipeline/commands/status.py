"""The status stage: what is live on each target, for people and as JSON."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from pipeline.core import console
from pipeline.releases import environments
from pipeline.targets import compose
from pipeline.targets import ecs as ecs_target
from pipeline.targets import kubernetes as kubernetes_target
from pipeline.targets.state import State

#: Enough of an image's name to tell two digests apart.
SHOWN_OF_IMAGE = 40
#: Each target and the function that looks at it; none of them starts anything.
OBSERVERS: dict[str, Callable[[], State | None]] = {
    "ecs": lambda: ecs_target.observe(environments.load("local")),
    "kubernetes": lambda: kubernetes_target.observe("local"),
    "compose": compose.observe,
}


def run(*, as_json: bool) -> None:
    """Prints what runs where.

    Raises:
        PipelineError: A target that is up cannot be asked.
    """
    with ThreadPoolExecutor(max_workers=len(OBSERVERS)) as pool:
        seen = dict(
            zip(OBSERVERS, pool.map(lambda observe: observe(), OBSERVERS.values()), strict=True)
        )
    if as_json:
        targets = {name: state.as_json() if state else None for name, state in seen.items()}
        print(json.dumps({"targets": targets}))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("target", "url", "revision", "image", "replicas", "age", "health"):
        table.add_column(heading)
    for name, state in seen.items():
        if state is None:
            table.add_row(name, "[dim]not up[/]")
            continue
        health = "[green]healthy[/]" if state.healthy else "[red]not healthy[/]"
        image = state.image.rpartition("/")[2]
        table.add_row(
            name,
            state.url,
            _revision(state),
            image[:SHOWN_OF_IMAGE],
            str(state.replicas),
            _age(state.age),
            health,
        )
    console.out.print(table)


def _revision(state: State) -> str:
    """The commit that is live, and the one in Git where it is another."""
    live, wanted = (state.revision or "unknown")[:7], (state.wanted_revision or "")[:7]
    return live if wanted in ("", live) else f"{live}, in Git {wanted}"


def _age(seconds: int | None) -> str:
    """A time span in its largest unit: ``40 s``, ``12 min``, ``3 h``, ``5 d``."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
