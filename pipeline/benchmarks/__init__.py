"""Compares within one run, because absolute times belong to the machine: ``./inv bench``."""

import os
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pipeline.core import console, files, markdown
from pipeline.core.paths import REPORTS
from pipeline.git import repository as git

HEADINGS = ("", "seconds, median", "fastest", "slowest")


def seconds(body: Callable[[], None]) -> float:
    started = time.monotonic()
    body()
    return time.monotonic() - started


def show(name: str, series: Mapping[str, Sequence[float]]) -> None:
    """Prints the median, the least and the most of each series of seconds of a benchmark.

    ``.local/reports/bench-NAME.md`` has the same for a page, with date, commit and machine.
    """
    rows = []
    for title, taken in series.items():
        figures = (statistics.median(taken), min(taken), max(taken))
        rows.append((title, *(f"{figure:.2f}" for figure in figures)))
    console.table(HEADINGS, rows)
    commit = git.revision()[:12] + (" with edits" if git.is_dirty() else "")
    lines = [
        f"`./inv bench {name}`, {datetime.now(UTC):%Y-%m-%d}, commit {commit}, {machine()}:",
        "",
        *markdown.table(HEADINGS, rows),
    ]
    files.write(REPORTS / f"bench-{name}.md", "\n".join(lines) + "\n")


def machine() -> str:
    """The machine in words: its cores, their name and its memory."""
    file = Path("/proc/cpuinfo")
    cpus = file.read_text(encoding="utf-8") if file.is_file() else ""
    names = re.search(r"^model name\s*: (.+)$", cpus, re.MULTILINE)
    cores = f"{os.cpu_count()} cores" + (f" ({names[1].strip()})" if names else "")
    return f"{cores}, {psutil.virtual_memory().total / 2**30:.0f} GiB"
