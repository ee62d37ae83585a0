"""Writes docs/gauntlet.md from the last run of the gauntlet: ``.local/venv/bin/python -m tests.gauntlet.table``."""

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.paths import REPORTS, ROOT
from tests.gauntlet.runner import Verdict

PAGE = ROOT / "docs" / "gauntlet.md"
HEAD = """\
# What happens to a bad change?

Generated from the last run of `tests/gauntlet` (`.local/venv/bin/python -m tests.gauntlet.table`); do not edit.

Each change is applied to a clone and taken along the pull-request path, the cheap stages first, until something stops
it. What has passed for the same content is not checked again, and only tests that can be affected run. The time is that
of the whole path up to the stop, two changes side by side on two cores.

Some bad versions pass all that: one that is two seconds slower, loses memory or ends after half a minute. They leave
both engines and Git by themselves ([promotion.md](promotion.md#what-takes-a-bad-version-off-ecs);
`tests/e2e/test_ecs.py`, `tests/e2e/test_canary.py`).

| change | stopped by | what the message names, or the bad changes that it does right | seconds |
| --- | --- | --- | --- |
"""


def keep(verdicts: Sequence[Verdict], seconds: float, file: Path) -> None:
    """Keeps a run for the page."""
    rows = [
        {
            "change": verdict.change.name,
            "gate": verdict.gate or "passes",
            "says": list(verdict.change.says),
            "of": list(verdict.change.of),
            "seconds": round(verdict.seconds, 1),
        }
        for verdict in verdicts
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"seconds": round(seconds), "rows": rows}, indent=1), encoding="utf-8"
    )


def page(run: dict[str, object]) -> str:
    """The page of a kept run."""
    lines = []
    rows = run["rows"]
    assert isinstance(rows, list)
    for row in rows:
        says = ", ".join([*(f"`{text}`" for text in row["says"]), *row.get("of", [])])
        lines.append(f"| {row['change']} | {row['gate']} | {says} | {row['seconds']} |")
    stopped = sum(row["gate"] != "passes" for row in rows)
    total = f"\n{stopped} bad changes stopped, {len(rows) - stopped} good ones passed, in {run['seconds']} s.\n"
    return HEAD + "\n".join(lines) + "\n" + total


if __name__ == "__main__":
    PAGE.write_text(
        page(json.loads((REPORTS / "gauntlet.json").read_text(encoding="utf-8"))), encoding="utf-8"
    )
