"""The tasks' reports for the summary of a job and the comment of a pull request, in ``.local/reports/<task>.md``.

In a workflow each job's are in a folder of its own there, which its artifact holds: ``report-<job>[-<environment>]``.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.core import files, markdown
from pipeline.core.paths import REPORTS

#: Reports in the order in which a reviewer wants them.
ORDER = ("plan", "diff", "lint", "test", "build", "scan", "push", "verify", "drift")


#: What the first line of a failure's report begins with.
FAILED = "**Failed:** "


def failure(cause: str, next_step: str) -> str:
    """A failure's first line: its cause, and what mends it."""
    return f"{FAILED}{markdown.inline(cause)}. **Next:** {markdown.inline(next_step)}.\n"


def failed() -> str:
    """The tasks of this job that have failed; why stands in the log: a cause may quote what must not get into Git."""
    return ", ".join(failing(REPORTS / _own()))


def reason(job: str, fragments: Mapping[str, str]) -> str:
    """The failures that a job's reports name, as Markdown on one line; empty where they name none.

    ``fragments`` are what ``collect`` returns: a job of several environments has a report for each.
    """
    lines = [
        line.removeprefix(FAILED)
        for name, text in fragments.items()
        if name == job or name.startswith((f"{job}-", f"{job} "))
        for line in text.splitlines()
        if line.startswith(FAILED)
    ]
    return " ".join(lines)


def failing(folder: Path | None = None) -> list[str]:
    """The names of the reports of a folder (``collect``) that have a failure."""
    return [name for name, text in collect(folder).items() if FAILED in text]


def write(task: str, text: str) -> None:
    """Keeps a task's report, which begins with a heading; without one the report of an earlier run goes."""
    file = REPORTS / _own() / f"{task}.md"
    if text:
        files.write(file, text.rstrip() + "\n")
    else:
        file.unlink(missing_ok=True)


def collect(folder: Path | None = None) -> dict[str, str]:
    """The reports of a folder, ``REPORTS`` without one, in a reviewer's order, named by file and job."""
    folder = folder or REPORTS
    reports: dict[str, str] = {}
    for path in sorted(folder.rglob("*.md"), key=lambda path: (_rank(path.stem), str(path))):
        where = path.parent.name.removeprefix("report-") if path.parent != folder else ""
        name = where if where.startswith(path.stem) else f"{where} {path.stem}".strip()
        reports[name] = path.read_text(encoding="utf-8")
    return reports


def _own() -> str:
    """The folder of this job's reports, named as its artifact: actions/download-artifact makes none for a single."""
    job, environment = (os.environ.get(name, "") for name in ("GITHUB_JOB", "TARGET"))
    return "-".join(filter(None, ["report", job, environment])) if job else ""


def _rank(task: str) -> int:
    base = task.partition("-")[0]
    return ORDER.index(base) if base in ORDER else len(ORDER)
