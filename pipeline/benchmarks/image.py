"""How large the image is, how fast it is rebuilt and how fast it starts, beside the original design's Dockerfile.

Both are built on the same base, from the same code and locks, in the same run.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.images import app as appimage
from pipeline.images import bases as baseimages
from pipeline.images import build as imagebuild
from pipeline.images import docker as engine

ORIGINAL = ROOT / "tests" / "pipeline" / "images" / "original.Dockerfile"
#: The file that stands for any change in app/.
EDITED = Path("app") / "thanksgiving" / "views_public.py"
ROUNDS = 5
START_SECONDS = 60
POLL_SECONDS = 0.01
#: Our user; the original's is root, who may write there too.
UID = 10001
MB = 1_000_000
SIZE_GOAL = 0.6
REBUILD_GOAL, START_GOAL = 3.0, 2.0


@dataclass
class Measured:
    """One image: its size in bytes, and the seconds of each rebuild and each start."""

    size: int = 0
    rebuilds: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)


def run() -> str:
    """Measures both images, prints them side by side, and says which goal is missed.

    Raises:
        PipelineError: An image cannot be built, or its container does not become ready.
    """
    base = baseimages.resolve_base(appimage.BASE)
    results = {"ours": Measured(), "the original": Measured()}
    with tempfile.TemporaryDirectory(prefix="bench-image-") as folder:
        context = _copy(Path(folder))
        dockerfiles = {"ours": context / "Dockerfile", "the original": ORIGINAL}
        tags = {name: f"thanksgiving-bench:{name.split()[-1]}" for name in results}
        try:
            for name, dockerfile in dockerfiles.items():
                built = _build(context, dockerfile, base, tags[name])
                results[name].size = built.size
            for number in range(ROUNDS):
                with (context / EDITED).open("a", encoding="utf-8") as file:
                    file.write(f"# changed {number} at {time.time_ns()}\n")
                for name, dockerfile in dockerfiles.items():
                    built = _build(context, dockerfile, base, tags[name])
                    results[name].rebuilds.append(built.seconds)
            with console.progress("start to the first 200 on /readyz"):
                for _ in range(ROUNDS):
                    for name, measured in results.items():
                        measured.starts.append(_start(tags[name]))
        finally:
            for tag in tags.values():
                if engine.client().images.list(name=tag):
                    engine.client().images.remove(tag, force=True)
    return _report(results, base)


def _report(results: dict[str, Measured], base: str) -> str:
    ours, original = results["ours"], results["the original"]
    ratio = ours.size / original.size
    rebuild, start = statistics.median(ours.rebuilds), statistics.median(ours.starts)
    table = Table("", "ours", "the original", "goal", title=f"on {base}", title_justify="left")
    table.add_row("size, MB", f"{ours.size / MB:.1f}", f"{original.size / MB:.1f}", "")
    table.add_row("of the original's size", f"{ratio:.2f}", "1", f"≤ {SIZE_GOAL}")
    table.add_row(
        "rebuild after a change in app/, s",
        f"{rebuild:.2f}",
        f"{statistics.median(original.rebuilds):.2f}",
        f"≤ {REBUILD_GOAL:.0f}",
    )
    table.add_row(
        "start to the first 200 on /readyz, s",
        f"{start:.2f}",
        f"{statistics.median(original.starts):.2f}",
        f"≤ {START_GOAL:.0f}",
    )
    console.out.print(table)
    missed = [
        f"{what} {value:.2f} > {goal}"
        for what, value, goal in (
            ("size ratio", ratio, SIZE_GOAL),
            ("rebuild", rebuild, REBUILD_GOAL),
            ("start", start, START_GOAL),
        )
        if value > goal
    ]
    return f"below its goal: {'; '.join(missed)}" if missed else "all goals met"


def _copy(folder: Path) -> Path:
    """The build's inputs, so that the change measured is none of the user's files."""
    for source in git.files(*appimage.INPUTS):
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return folder


def _build(context: Path, dockerfile: Path, base: str, tag: str) -> imagebuild.Built:
    return imagebuild.build(
        imagebuild.Build(
            dockerfile=dockerfile,
            base=base,
            tags=(tag,),
            created="1970-01-01T00:00:00Z",
            context=context,
            log_name="bench-image",
        )
    )


def _start(tag: str) -> float:
    """Seconds from the start of a container until it is ready, on SQLite."""
    with _container(tag) as container:
        began = time.monotonic()
        container.start()
        container.reload()
        address = next(iter(container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
        with httpx.Client(timeout=5, trust_env=False) as client:
            while time.monotonic() - began < START_SECONDS:
                try:
                    if client.get(f"http://{address}:5000/readyz").status_code == httpx.codes.OK:
                        return time.monotonic() - began
                except httpx.HTTPError:
                    time.sleep(POLL_SECONDS)
        last = container.logs(tail=1).decode("utf-8", "replace")
        raise PipelineError(f"{tag} was not ready: {last}", next_step="run the image by hand")


@contextmanager
def _container(tag: str) -> Iterator[Any]:
    container = engine.client().containers.create(
        tag,
        environment={"ENVIRONMENT": "bench", "SECRET_KEY": "measured-" * 5, "DRAIN_SECONDS": "0"},
        tmpfs={"/data": f"uid={UID}"},
        labels=dict(engine.LABELS),
    )
    try:
        yield container
    finally:
        container.remove(force=True)
