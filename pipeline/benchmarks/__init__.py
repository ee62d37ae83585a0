"""Compares within one run, because absolute times belong to the machine: ``./inv bench``."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from pipeline.core import console


def seconds(body: Callable[[], None]) -> float:
    """How long the body takes."""
    started = time.monotonic()
    body()
    return time.monotonic() - started


def show(series: Mapping[str, Sequence[float]]) -> None:
    """Prints the median, the least and the most of each series of seconds."""
    rows = []
    for name, taken in series.items():
        figures = (statistics.median(taken), min(taken), max(taken))
        rows.append((name, *(f"{figure:.2f}" for figure in figures)))
    console.table(("", "seconds, median", "fastest", "slowest"), rows)
