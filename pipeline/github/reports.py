"""The tasks' reports for the summary of a job and the comment of a pull request, in ``.local/reports/<task>.md``."""

from pathlib import Path

from pipeline.core import files
from pipeline.core.paths import REPORTS

#: Reports in the order in which a reviewer wants them.
ORDER = ("plan", "test", "build", "scan", "push", "verify", "drift")


def write(task: str, markdown: str) -> None:
    """Keeps a task's report; it begins with a heading."""
    files.write(REPORTS / f"{task}.md", markdown.rstrip() + "\n")


def collect(folder: Path = REPORTS) -> dict[str, str]:
    """All reports below a folder in a reviewer's order, by the names of file and artifact (``report-plan-staging``)."""
    reports: dict[str, str] = {}
    for path in sorted(folder.rglob("*.md"), key=lambda path: (_rank(path.stem), str(path))):
        where = path.parent.name.removeprefix("report-") if path.parent != folder else ""
        name = where if where.startswith(path.stem) else f"{where} {path.stem}".strip()
        reports[name] = path.read_text(encoding="utf-8")
    return reports


def _rank(task: str) -> int:
    base = task.partition("-")[0]
    return ORDER.index(base) if base in ORDER else len(ORDER)
