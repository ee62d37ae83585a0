"""What pytest found, from the reports it writes: a summary for people, and a mark on each line that failed."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import markdown

#: Failures named in a summary; the rest is in the log.
SHOWN = 20


@dataclass(frozen=True)
class Failure:
    """A test that failed: its name, its file (relative to the root) with the line counted from 1, and why."""

    name: str
    file: str
    line: int
    message: str


@dataclass(frozen=True)
class Results:
    """One run of pytest. ``coverage`` is in percent of lines and branches, None where it was not measured."""

    passed: int
    skipped: int
    seconds: float
    failures: Sequence[Failure]
    coverage: float | None = None

    def in_words(self) -> str:
        """Figures for one line."""
        parts = [f"{self.passed} passed"]
        parts += [f"{len(self.failures)} failed"] if self.failures else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        covered = f", {self.coverage:.1f} % of app/ covered" if self.coverage is not None else ""
        return f"{', '.join(parts)} in {self.seconds:.0f} s{covered}"

    def as_markdown(self, title: str) -> str:
        """A fragment for a job's summary."""
        lines = [f"### {title}", "", self.in_words(), ""]
        lines += [
            f"- {markdown.inline(one.name)}: {markdown.inline(one.message)}"
            for one in self.failures[:SHOWN]
        ]
        if len(self.failures) > SHOWN:
            lines.append(f"- and {len(self.failures) - SHOWN} more")
        return "\n".join(lines) + "\n"


def read(junit: Path, coverage: Path | None = None) -> Results:
    """Reads pytest's junit file (family ``xunit1``, which has lines) and coverage's JSON where there is one.

    Raises:
        FileNotFoundError: pytest ended before it wrote its report.
    """
    suite = ET.parse(junit).getroot().find("testsuite")  # noqa: S314 - written by pytest just now
    assert suite is not None  # noqa: S101 - the format
    cases = suite.findall("testcase")
    failures = [
        _failure(case, trouble)
        for case in cases
        for trouble in [*case.findall("failure"), *case.findall("error")][:1]
    ]
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    covered = None
    if coverage is not None and coverage.is_file():
        totals = json.loads(coverage.read_text(encoding="utf-8"))["totals"]
        covered = float(totals["percent_covered"])
    return Results(
        passed=len(cases) - len(failures) - skipped,
        skipped=skipped,
        seconds=float(suite.get("time", "0")),
        failures=failures,
        coverage=covered,
    )


def _failure(case: ET.Element, trouble: ET.Element) -> Failure:
    # pytest counts lines from 0 in this file.
    return Failure(
        name=f"{case.get('classname', '')}.{case.get('name', '')}".lstrip("."),
        file=case.get("file", ""),
        line=int(case.get("line", "0")) + 1,
        message=(trouble.get("message") or "no message").splitlines()[0],
    )
