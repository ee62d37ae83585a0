"""What ``./inv`` without a task prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from pipeline.core import console


def show(groups: Mapping[str, Sequence[Any]]) -> None:
    """Prints each group of tasks with the first line of its help."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for group, tasks in groups.items():
        table.add_row(f"[bold]{group}[/]", "")
        for one in tasks:
            first_line = (one.__doc__ or "").strip().splitlines()[0]
            table.add_row(f"  [cyan]{one.name}[/]", first_line)
    console.out.print(table)
    console.info("\n  Help for one task: ./inv --help TASK     First steps: README.md")
