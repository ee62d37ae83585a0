"""Shows every pinned version, its newest release and the end of its support (``tools/versions.yaml``)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipeline.commands import Result
from pipeline.core import console, files, markdown
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git

TABLE = ROOT / "tools" / "versions.yaml"
COLUMNS = ("component", "pinned", "newest", "end of support")
#: A table that nobody has looked at for this long knows neither newest releases nor ends.
REVIEW_DAYS = 180


def run(days: int = 30, today: date | None = None) -> Result:
    """Raises PipelineError where support ends within ``days``, a component has no row or end, or the table is old."""
    table = files.read_yaml(TABLE)
    day = today or datetime.now(UTC).date()
    rows: list[tuple[str, ...]] = []
    problems: list[str] = []
    if day - table["seen"] > timedelta(days=REVIEW_DAYS):
        problems.append(f"the table is of {table['seen']}")
    for name, version in sorted(pinned(table["sources"])):
        row = table["components"].get(name)
        if row is None:
            problems.append(f"{name} has no row")
            continue
        end, problem = _end(row, version, day + timedelta(days=days))
        rows.append((name, version, str(row["newest"] or "unknown"), end))
        problems += [f"{name} {version} {problem}"] if problem else []
    console.table(COLUMNS, rows)
    if problems:
        raise PipelineError(
            "; ".join(problems), next_step="take a newer version, and correct tools/versions.yaml"
        )
    return Result(
        f"{len(rows)} pinned versions: each is supported for {days} days more, or kept on purpose",
        markdown="\n".join(["## Versions\n", *markdown.table(COLUMNS, rows), ""]),
    )


def pinned(sources: Iterable[Mapping[str, str]]) -> set[tuple[str, str]]:
    """Component and version, read where each is pinned; raises PipelineError for a source that names none."""
    pairs = set()
    for source in sources:
        text = "\n".join(path.read_text(encoding="utf-8") for path in git.files(source["files"]))
        matches = [match.groupdict() for match in re.finditer(source["pattern"], text, re.M)]
        if not matches:
            raise PipelineError(
                f"nothing in {source['files']} matches {source['pattern']}",
                next_step="correct the source in tools/versions.yaml",
            )
        pairs |= {(match.get("name") or source["name"], match["version"]) for match in matches}
    return pairs


def _end(row: Mapping[str, Any], version: str, limit: date) -> tuple[str, str]:
    """What the table shows of an end, and what is wrong with it."""
    if "ends" not in row:
        return "with the next release", ""
    ends = [end for line, end in row["ends"].items() if f"{version}.".startswith(f"{line}.")]
    if not ends:
        return "unknown", "has no end of support"
    last, note = ends[0], ""
    if accepted := row.get("accepted"):
        last, note = accepted["until"], f"; kept until {accepted['until']}: {accepted['because']}"
    return f"{ends[0]}{note}", f"is supported until {ends[0]}" if last <= limit else ""
