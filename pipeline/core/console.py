"""Output for the user: live rows on a terminal, plain lines in a log or where CI is set."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.core import files
from pipeline.core.paths import LOCAL

#: Seconds between two plain lines of one step, so that a log stays readable.
PLAIN_INTERVAL = 15

#: Seconds that steps took when they last passed, by their titles, and how many titles are kept.
DURATIONS = LOCAL / "durations.json"
KEPT = 200

#: Seconds from which on a step is worth a forecast.
LONG = 5

LIVE = sys.stdout.isatty() and os.environ.get("CI", "").lower() not in ("1", "true")

#: Columns of a table in a log, where there is no terminal to ask.
PLAIN_WIDTH = 140

out = Console(highlight=False, emoji=False, width=None if LIVE else PLAIN_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)

_lock = threading.RLock()
_rows = Progress(
    SpinnerColumn(finished_text="[green]✔[/]"),
    TextColumn("{task.description}"),
    TextColumn("[dim]{task.fields[detail]}[/]"),
    TimeElapsedColumn(),
    TextColumn("[dim]{task.fields[before]}[/]"),
    console=out,
    transient=True,
)


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Prints a table; cells may hold rich markup."""
    shown = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        shown.add_column(heading, justify="right" if heading == "time" else "left")
    for row in rows:
        shown.add_row(*row)
    out.print(shown)


def span(value: timedelta | None) -> str:
    """A time span in its largest unit: ``40 s``, ``12 min``, ``3.5 h``, ``5.0 d``; ``-`` for none."""
    if value is None:
        return "-"
    seconds = value.total_seconds()
    for size, unit, digits in ((86400, "d", 1), (3600, "h", 1), (60, "min", 0)):
        if seconds >= size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"


def info(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Prints one line that the user should not overlook, to standard error."""
    err.print(f"[yellow]warning:[/] {escape(text)}")


@dataclass
class Step:
    """A piece of work that is shown."""

    title: str
    row: TaskID | None = None
    started: float = field(default_factory=time.monotonic)
    _last_plain: float = field(default_factory=time.monotonic)

    def update(self, text: str) -> None:
        """Shows what the step does now: at once on a terminal, every so often in a log."""
        text = text.strip()
        if self.row is not None:
            _rows.update(self.row, detail=text[:80])
        elif time.monotonic() - self._last_plain >= PLAIN_INTERVAL:
            self._last_plain = time.monotonic()
            info(f"  {self.title}: {text[:160]} ({time.monotonic() - self.started:.0f} s)")


@contextlib.contextmanager
def progress(title: str) -> Iterator[Step]:
    """Shows a step while its body runs, with how long it took last, then how long it took now.

    Steps in several threads stand side by side.
    """
    step = Step(title)
    with _lock:
        before = _durations().get(title)
        last = f"{before:.0f} s last time" if before is not None else ""
        if LIVE:
            _rows.start()
            step.row = _rows.add_task(title, total=None, detail="", before=last)
        else:
            info(f"  {title} … {last}".rstrip())
    mark = "[red]✘[/]"
    try:
        yield step
        mark = "[green]✔[/]"
        _remember(title, time.monotonic() - step.started)
    finally:
        with _lock:
            if step.row is not None:
                _rows.remove_task(step.row)
                if not _rows.tasks:
                    _rows.stop()
            out.print(f"  {mark} {title} [dim]{time.monotonic() - step.started:.1f} s[/]")


def _durations() -> dict[str, float]:
    durations = files.read_json(DURATIONS, ()) or {}
    return {title: seconds for title, seconds in durations.items() if isinstance(seconds, float)}


def _remember(title: str, seconds: float) -> None:
    with _lock, contextlib.suppress(OSError):  # a full disk: the step has passed all the same
        durations = _durations()
        known = durations.pop(title, None) is not None
        if seconds >= LONG:
            durations[title] = round(seconds, 1)
        if known or title in durations:
            files.write(DURATIONS, json.dumps(dict([*durations.items()][-KEPT:])))
