"""Lists the tasks: what ``./inv`` without a task prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.commands import Result
from pipeline.core import console


def run(groups: Mapping[str, Sequence[Any]]) -> Result:
    rows = []
    for group, tasks in groups.items():
        rows.append((f"[bold]{group}[/]", ""))
        for task in tasks:
            first_line = (task.__doc__ or "").strip().splitlines()[0]
            rows.append((f"  [cyan]{task.name}[/]", first_line))
    console.table(("", ""), rows)
    return Result("\n  Help for one task: ./inv --help TASK     First steps: README.md")
