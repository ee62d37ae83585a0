"""Output for the user: live rows on a terminal, plain lines in a log or where CI is set."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

#: Seconds between two plain lines of one step, so that a log stays readable.
PLAIN_INTERVAL = 15

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


def info(text: str) -> None:
    """Prints one line for the user."""
    out.print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Prints one line that the user should not overlook, to standard error."""
    err.print(f"[yellow]warning:[/] {text}")


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
    """Shows a step while its body runs, then how long it took; steps in several threads stand side by side."""
    step = Step(title)
    with _lock:
        if LIVE:
            _rows.start()
            step.row = _rows.add_task(title, total=None, detail="")
        else:
            info(f"  {title} …")
    mark = "[red]✘[/]"
    try:
        yield step
        mark = "[green]✔[/]"
    finally:
        with _lock:
            if step.row is not None:
                _rows.remove_task(step.row)
                if not _rows.tasks:
                    _rows.stop()
            out.print(f"  {mark} {title} [dim]{time.monotonic() - step.started:.1f} s[/]")
