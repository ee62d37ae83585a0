"""The scan stage: policies, secrets and known vulnerabilities. What was not looked at is said, and never passes."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.core import cache as passes
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.paths import REPORTS
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import figures, reports
from pipeline.images import app as appimage
from pipeline.scanners import checkov, findings, gitleaks, grype, osv, sarif
from pipeline.scanners.findings import Outcome

MARKS = {
    findings.PASSED: "[green]✔ passed[/]",
    findings.FOUND: "[red]✘ findings[/]",
    findings.NOT_CHECKED: "[yellow bold]NOT CHECKED[/]",
}
VULNERABILITIES = (grype.NAME, osv.NAME)
#: Findings shown one by one; all of them are in the report.
SHOWN = 40


def run(*, require_vulnerabilities: bool = False) -> str:
    """Runs all scanners side by side, prints what they found, and writes it to ``.local/reports``.

    Args:
        require_vulnerabilities: Fail when known vulnerabilities could not be looked up.

    Raises:
        PipelineError: There are findings; a scanner failed or looked at nothing; or, when required, no database.
    """
    with console.progress("scan"), ThreadPoolExecutor(max_workers=4) as pool:
        running = [pool.submit(body) for body in (_policies, _secrets, _image, _packages)]
        outcomes = [outcome for future in running for outcome in future.result()]
    known = vulnerabilities(outcomes)
    news = since(figures.before("scan"), known)
    figures.keep("scan", known)
    _report(outcomes, news)
    console.out.print(_table(outcomes))
    for line in news:
        console.info(f"  {line}")
    failing = [finding for one in outcomes for finding in one.findings if finding.fails]
    for finding in failing[:SHOWN]:
        line = f":{finding.line}" if finding.line else ""
        console.info(f"  {finding.where}{line}  {finding.rule}  {finding.message}")
        github.annotate(
            "error", finding.message, title=finding.rule, file=finding.where, line=finding.line
        )
    if failing:
        raise PipelineError(
            f"{len(failing)} findings in {_names(outcomes, findings.FOUND)}",
            next_step="mend what is listed above, or accept it with a reason (docs/scanning.md)",
        )
    open_ends = [one for one in outcomes if one.state == findings.NOT_CHECKED]
    vulnerable = [one for one in open_ends if one.name in VULNERABILITIES]
    if require_vulnerabilities and vulnerable:
        raise PipelineError(
            f"{' and '.join(one.name for one in vulnerable)} were NOT CHECKED: {vulnerable[0].note}",
            next_step="give this machine a database, or leave out --require-vulnerabilities",
        )
    for one in open_ends:
        console.warn(f"{one.name}: NOT CHECKED. {one.note}")
    passed = len(outcomes) - len(open_ends)
    told = f"; NOT CHECKED: {_names(outcomes, findings.NOT_CHECKED)}" if open_ends else ""
    return f"{passed} checks{told}"


def vulnerabilities(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Advisory and package of each known vulnerability, by scan; a scan that could not look is left out."""
    return {
        one.name: sorted({f"{finding.rule} {finding.where}" for finding in one.findings})
        for one in outcomes
        if one.name in VULNERABILITIES and one.state != findings.NOT_CHECKED
    }


def since(main: dict[str, Any] | None, known: dict[str, list[str]]) -> list[str]:
    """What is new in each scan against main, and what is gone, one line each; empty where main's is not known."""
    lines = []
    for name, now in known.items():
        if main is None or name not in main:
            continue
        new, gone = sorted({*now} - {*main[name]}), sorted({*main[name]} - {*now})
        lines.append(
            f"{name} against main at {main['commit'][:7]}: new: {', '.join(new) or 'none'};"
            f" gone: {', '.join(gone) or 'none'}"
        )
    return lines


def _policies() -> list[Outcome]:
    return _once("policies", checkov.scan)


def _secrets() -> list[Outcome]:
    return _once("secrets", gitleaks.scan)


def _image() -> list[Outcome]:
    if not grype.database_at_hand():
        return [grype.no_database()]
    record = appimage.load() or appimage.build()
    return [grype.scan(record.image_id, REPORTS)]


def _packages() -> list[Outcome]:
    return [osv.scan()]


def _once(name: str, scan: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Scans unless the same tree has passed the same scan; findings are never remembered."""
    found: list[Outcome] = []

    def body() -> str:
        found.extend(scan())
        if any(one.state != findings.PASSED for one in found):
            raise _NotPassedError
        return json.dumps([(one.name, one.looked_at) for one in found])

    key = git.content_key(git.files(), git.revision())
    try:
        told = passes.once(f"scan-{name}", key, body)
    except _NotPassedError:
        return found
    if found:
        return found
    when, _, names = told.partition(": ")
    return [Outcome(one, findings.PASSED, count, note=when) for one, count in json.loads(names)]


class _NotPassedError(Exception):
    """Keeps ``passes.once`` from remembering a scan that has not passed."""


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    for heading in ("scan", "result", "looked at", "findings", ""):
        table.add_column(heading)
    for one in outcomes:
        failing = sum(finding.fails for finding in one.findings)
        told = f"{failing} (+{len(one.findings) - failing} told)" if one.findings else "0"
        count = "" if one.state == findings.NOT_CHECKED else told
        table.add_row(one.name, MARKS[one.state], one.looked_at, count, escape(one.note))
    return table


def _report(outcomes: Sequence[Outcome], news: Sequence[str]) -> None:
    REPORTS.mkdir(parents=True, exist_ok=True)
    content = json.dumps([asdict(one) for one in outcomes], indent=1)
    (REPORTS / "scan.json").write_text(content + "\n", encoding="utf-8")
    shown_on_lines = json.dumps(sarif.document(outcomes), indent=1)
    (REPORTS / "scan.sarif").write_text(shown_on_lines + "\n", encoding="utf-8")
    lines = [
        "### Scan",
        "",
        "| scan | result | looked at | findings |",
        "| --- | --- | --- | --- |",
    ]
    for one in outcomes:
        state = f"**{one.state}**" if one.state != findings.PASSED else one.state
        note = f": {one.note}" if one.state == findings.NOT_CHECKED else ""
        lines.append(f"| {one.name} | {state}{note} | {one.looked_at} | {len(one.findings)} |")
    lines += ["", *(f"{line}." for line in news), ""]
    for one in outcomes:
        for finding in one.findings[:SHOWN]:
            place = f"{finding.where}:{finding.line}" if finding.line else finding.where
            lines.append(f"- `{finding.rule}` {place}: {finding.message.replace('|', ' ')}")
    reports.write("scan", "\n".join(lines) + "\n")


def _names(outcomes: Sequence[Outcome], state: str) -> str:
    return ", ".join(one.name for one in outcomes if one.state == state)
