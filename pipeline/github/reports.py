"""The tasks' reports for the summary of a job and the comment of a pull request, in ``.local/reports/<task>.md``."""

from pathlib import Path

from pipeline.core.paths import REPORTS

#: Fragments in the order in which a reviewer wants them.
ORDER = ("plan", "test", "build", "scan", "push", "verify", "drift")


def write(stage: str, markdown: str) -> Path:
    """Keeps a stage's fragment; it begins with a heading."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{stage}.md"
    path.write_text(markdown.rstrip() + "\n", encoding="utf-8")
    return path


def collect(folder: Path = REPORTS) -> dict[str, str]:
    """All fragments below a folder, by name, in a reviewer's order.

    A name is the file's, or ``<folder> <file>`` for one below an artifact's folder such as ``report-plan-staging``.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.md"), key=lambda one: (_rank(one.stem), str(one))):
        where = path.parent.name.removeprefix("report-") if path.parent != folder else ""
        name = where if where.startswith(path.stem) else f"{where} {path.stem}".strip()
        found[name] = path.read_text(encoding="utf-8")
    return found


def _rank(stage: str) -> int:
    base = stage.partition("-")[0]
    return ORDER.index(base) if base in ORDER else len(ORDER)
