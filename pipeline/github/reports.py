"""What a stage found, as Markdown for people who do not read logs: job summary and pull-request comment.

Each fragment lies in ``.local/reports/<stage>.md``, without secrets; the runner adds it to the summary of the job.
"""

from pathlib import Path

from pipeline.core.paths import REPORTS
from pipeline.github import actions as github

#: Fragments in the order in which a reviewer wants them.
ORDER = ("plan", "test", "build", "scan", "push", "verify", "drift")


def write(stage: str, markdown: str) -> Path:
    """Keeps a stage's fragment; it begins with a heading."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{stage}.md"
    path.write_text(markdown.rstrip() + "\n", encoding="utf-8")
    return path


class Published:
    """Adds to the summary of the job what a stage reports: the fragments that change between start and ``publish``."""

    def __init__(self, folder: Path = REPORTS) -> None:
        self._folder = folder
        self._before = self._state()

    def publish(self) -> None:
        """Adds the fragments that are new; does nothing outside GitHub Actions."""
        for path, changed in self._state().items():
            if self._before.get(path) != changed:
                github.summary(path.read_text(encoding="utf-8"))

    def _state(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in sorted(self._folder.glob("*.md"))}


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
