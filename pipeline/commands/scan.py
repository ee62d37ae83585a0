"""Scans for policy violations, secrets and known vulnerabilities. What was not looked at never passes."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from pipeline.attestations import statements
from pipeline.commands import Result
from pipeline.core import cache, console, files, markdown
from pipeline.core.errors import PipelineError, require_choice
from pipeline.core.paths import REPORTS
from pipeline.github import actions, figures
from pipeline.images import app as app_image
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


def run(*, only: str | None = None, require_vulnerabilities: bool = False) -> Result:
    """Runs all scanners (or one kind) side by side; all of their findings lie in ``.local/reports``."""
    kinds: dict[str, Callable[[], list[Outcome]]] = {
        "policies": lambda: _once("policies", checkov.key(), checkov.scan),
        "secrets": lambda: [
            *_once("secrets-in-tree", gitleaks.tree_key(), gitleaks.scan_tree),
            *_once("secrets-in-history", gitleaks.history_key(), gitleaks.scan_history),
        ],
        "image": _image,
        "packages": lambda: [osv.scan()],
    }
    if only:
        require_choice("scan", only, kinds)
    with console.progress("scan"), ThreadPoolExecutor(max_workers=4) as pool:
        running = [pool.submit(body) for kind, body in kinds.items() if only in (None, kind)]
        outcomes = [outcome for future in running for outcome in future.result()]
    vulnerable = vulnerabilities(outcomes)
    news = since(figures.before("scan"), vulnerable)
    figures.keep("scan", vulnerable)
    documents = {"json": [*map(asdict, outcomes)], "sarif": sarif.document(outcomes)}
    for kind, document in documents.items():
        files.write(REPORTS / f"scan.{kind}", json.dumps(document, indent=1) + "\n")
    text = report(outcomes, news)
    console.table(
        ("scan", "result", "looked at", "findings", ""), [_row(each) for each in outcomes]
    )
    for line in news:
        console.info(f"  {line}")
    failing = [finding for outcome in outcomes for finding in outcome.findings if finding.fails]
    for finding in failing[:SHOWN]:
        line = f":{finding.line}" if finding.line else ""
        console.info(f"  {finding.where}{line}  {finding.rule}  {finding.text}")
        actions.annotate(finding.text, title=finding.rule, file=finding.where, line=finding.line)
    if failing:
        raise PipelineError(
            f"{_counted(len(failing))} in {_names(outcomes, findings.FOUND)}",
            next_step="fix what is listed, or accept it with a reason (docs/scanning.md)",
            report=text,
        )
    unchecked = [outcome for outcome in outcomes if outcome.state == findings.NOT_CHECKED]
    required = [each for each in unchecked if each.name in VULNERABILITIES]
    if require_vulnerabilities and required:
        raise PipelineError(
            f"{' and '.join(each.name for each in required)} were NOT CHECKED: {required[0].note}",
            next_step="give this machine a database, or leave out --require-vulnerabilities",
            report=text,
        )
    for outcome in unchecked:
        console.warn(f"{outcome.name}: NOT CHECKED. {outcome.note}")
    passed = f"{len(outcomes) - len(unchecked)} checks"
    names = _names(outcomes, findings.NOT_CHECKED)
    return Result(f"{passed}; NOT CHECKED: {names}" if names else passed, text)


def vulnerabilities(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Advisory and package of each known vulnerability, by scan; a scan that could not look is left out."""
    return {
        outcome.name: sorted({f"{finding.rule} {finding.package}" for finding in outcome.findings})
        for outcome in outcomes
        if outcome.name in VULNERABILITIES and outcome.state != findings.NOT_CHECKED
    }


def since(main: dict[str, Any] | None, vulnerable: dict[str, list[str]]) -> list[str]:
    """What is new in each scan against main, and what is gone, one line each; empty where main's is not known."""
    lines = []
    for name, now in vulnerable.items():
        if main is None or name not in main:
            continue
        new, gone = sorted({*now} - {*main[name]}), sorted({*main[name]} - {*now})
        lines.append(
            f"{name} against main at {main['commit'][:7]}: new: {', '.join(new) or 'none'};"
            f" gone: {', '.join(gone) or 'none'}"
        )
    return lines


def _image() -> list[Outcome]:
    record = app_image.load()
    if database := grype.database_at_hand():
        record = record or app_image.build()
        outcome = grype.scan(record.image_id, database, REPORTS)
    else:
        outcome = findings.not_checked(grype.NAME, grype.NO_DATABASE)
    if record:
        statements.keep_scan(record.image_id, asdict(outcome))
    return [outcome]


def _once(name: str, key: str, scan: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Scans unless what has this key has passed the same scan; findings are never remembered."""
    name = f"scan-{name}"
    if passed := cache.passed(name, key):
        note = "unchanged since it passed"
        counts = json.loads(passed)
        return [Outcome(each, findings.PASSED, count, note=note) for each, count in counts]
    outcomes = scan()
    if all(outcome.state == findings.PASSED for outcome in outcomes):
        counts = [(outcome.name, outcome.looked_at) for outcome in outcomes]
        cache.record(name, key, json.dumps(counts))
    return outcomes


def _row(outcome: Outcome) -> tuple[str, ...]:
    failing = sum(finding.fails for finding in outcome.findings)
    others = len(outcome.findings) - failing
    count = f"{failing} (+{others} that do not fail)" if others else str(failing)
    count = count if outcome.state != findings.NOT_CHECKED else ""
    return outcome.name, MARKS[outcome.state], outcome.looked_at, count, escape(outcome.note)


def report(outcomes: Sequence[Outcome], news: Sequence[str]) -> str:
    """The Markdown for the summary of the job and the pull request's comment."""
    rows = []
    for outcome in outcomes:
        state = f"**{outcome.state}**" if outcome.state != findings.PASSED else outcome.state
        note = f": {outcome.note}" if outcome.state == findings.NOT_CHECKED else ""
        count = str(len(outcome.findings))
        rows.append((outcome.name, f"{state}{note}", outcome.looked_at, count))
    headings = ("scan", "result", "looked at", "findings")
    unchecked = _names(outcomes, findings.NOT_CHECKED)
    total = _counted(sum(len(outcome.findings) for outcome in outcomes))
    heading = f"### Scan: {total}{f', NOT CHECKED: {unchecked}' if unchecked else ''}"
    lines = [heading, "", *markdown.table(headings, rows)]
    off = actions.switched_off("CODE_SCANNING", "Code scanning")
    lines += ["", *(f"{line}." for line in news), *off, ""]
    for outcome in outcomes:
        for finding in outcome.findings[:SHOWN]:
            place = f"{finding.where}:{finding.line}" if finding.line else finding.where
            lines.append(f"- `{finding.rule}` {place}: {finding.text.replace('|', ' ')}")
    return "\n".join(lines) + "\n"


def _counted(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"


def _names(outcomes: Sequence[Outcome], state: str) -> str:
    return ", ".join(outcome.name for outcome in outcomes if outcome.state == state)
