"""What a scanner found: one shape for all of them, so that nothing that was not looked at counts as passed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.core.errors import PipelineError

#: States of an outcome.
PASSED, FOUND, NOT_CHECKED = "passed", "findings", "NOT CHECKED"


@dataclass(frozen=True)
class Finding:
    """One finding: the scanner's rule, where (a file with a line counted from 1, or a package), and what is wrong."""

    rule: str
    where: str
    line: int
    message: str
    fails: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one scanner did. ``looked_at`` says in words how much it looked at, ``note`` why it could not look."""

    name: str
    state: str
    looked_at: str
    findings: tuple[Finding, ...] = ()
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        return asdict(self)


def judged(name: str, count: int, unit: str, findings: Sequence[Finding]) -> Outcome:
    """The outcome of a scanner that ran.

    Args:
        count: How many of ``unit`` it looked at.

    Raises:
        PipelineError: It looked at nothing, which would otherwise look like a pass.
    """
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
