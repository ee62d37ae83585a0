"""What a scanner reports: one shape for all, in which nothing that was not looked at counts as passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT

#: States of an outcome.
PASSED, FOUND, NOT_CHECKED = "passed", "findings", "NOT CHECKED"
#: Accepted advisories: `id`, `reason`, and `until`, after which they count again.
ACCEPTED = ROOT / "accepted-advisories.yaml"


@dataclass(frozen=True)
class Finding:
    """One finding: the scanner's rule, where (a file of the repository, a line counted from 1), and what is wrong.

    ``package`` is the name, perhaps with the version, of a package that the file brings.
    """

    rule: str
    where: str
    line: int
    message: str
    fails: bool = True
    package: str = ""

    @property
    def text(self) -> str:
        """The message with its package."""
        return f"{self.package}: {self.message}" if self.package else self.message


@dataclass(frozen=True)
class Outcome:
    """What one scanner did. ``looked_at`` is a count with its unit, ``note`` the reason why it could not look."""

    name: str
    state: str
    looked_at: str
    findings: tuple[Finding, ...] = ()
    note: str = ""


def judged(name: str, count: int, unit: str, findings: Sequence[Finding]) -> Outcome:
    """The outcome of a scanner that looked at ``count`` of ``unit``; PipelineError for nothing, which is no pass."""
    if count < 1:
        raise PipelineError(
            f"{name} looked at nothing (0 {unit})",
            next_step="check that the files are where the scanner expects them (docs/scanning.md)",
        )
    state = FOUND if any(finding.fails for finding in findings) else PASSED
    return Outcome(name, state, f"{count} {unit}", tuple(findings))


def not_checked(name: str, why: str) -> Outcome:
    """The outcome of a scanner that could not look; never a pass."""
    return Outcome(name, NOT_CHECKED, "nothing", note=why)


def accepted(file: Path = ACCEPTED, today: date | None = None) -> frozenset[str]:
    """The ids of the advisories accepted today; raises PipelineError where an entry lacks its id, reason or end."""
    if not file.is_file():
        return frozenset()
    entries = files.read_yaml(file) or []
    for entry in entries:
        if not (entry.get("id") and entry.get("reason") and isinstance(entry.get("until"), date)):
            raise PipelineError(
                f"{file.name}: {entry.get('id') or entry} needs an id, a reason and until (a date)",
                next_step=f"correct {file.name}",
            )
    day = today or datetime.now(UTC).date()
    return frozenset(entry["id"] for entry in entries if entry["until"] >= day)
