"""gitleaks: secrets in the work tree and in its history."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.core import console, process, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import REPORTS, ROOT, log_file
from pipeline.git import repository as git
from pipeline.scanners.findings import Finding, Outcome, judged

#: A file with made-up secrets that is laid among the others: a scanner that misses it saw nothing.
BAIT = "bait/credentials.txt"
BAIT_RULES = {"aws-access-token", "private-key"}


def scan(root: Path = ROOT, reports: Path = REPORTS) -> list[Outcome]:
    """Looks at every file that Git tracks or would track, and at every commit.

    An accepted finding is marked on its line with ``gitleaks:allow``, or by its fingerprint in ``.gitleaksignore``.

    Raises:
        PipelineError: gitleaks failed, or missed the made-up secrets that it has to find.
    """
    files = git.files(root=root)
    commits = int(process.capture(["git", "rev-list", "--count", "HEAD"], cwd=root))
    with console.progress("gitleaks"), tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for path in files:
            copy = tree / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy, follow_symlinks=False)
        _lay_bait(tree / BAIT)
        in_tree = _run("dir", tree, "scan-gitleaks-tree")
        in_history = _run("git", root, "scan-gitleaks-history")
    seen = {leak["RuleID"] for leak in in_tree if _relative(leak["File"], tree) == BAIT}
    if not seen >= BAIT_RULES:
        raise PipelineError(
            "gitleaks missed the made-up secrets that it has to find",
            next_step="check its version and configuration: it would miss real ones too",
            log=log_file("scan-gitleaks-tree"),
        )
    outcomes = [
        judged("secrets in the tree", len(files), "files", _findings(in_tree, tree)),
        judged("secrets in the history", commits, "commits", _findings(in_history, root)),
    ]
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "gitleaks.sarif").write_text(json.dumps(sarif(outcomes), indent=1), encoding="utf-8")
    return outcomes


def sarif(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The findings as SARIF 2.1.0, for code scanning."""
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "gitleaks",
                        "rules": [{"id": rule} for rule in sorted({one.rule for one in findings})],
                    }
                },
                "results": [
                    {
                        "ruleId": finding.rule,
                        "level": "error",
                        "message": {"text": finding.message},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": finding.where},
                                    "region": {"startLine": max(finding.line, 1)},
                                }
                            }
                        ],
                    }
                    for finding in findings
                ],
            }
        ],
    }


def _run(mode: str, folder: Path, log: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "leaks.json"
        process.run(
            [
                *(tools.tool("gitleaks"), mode, folder, "--no-banner", "--no-color", "--redact"),
                *("--exit-code", "0", "--report-format", "json", "--report-path", report),
            ],
            log=log_file(log),
            cwd=folder,
        )
        leaks: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
    return leaks


def _findings(leaks: Sequence[dict[str, Any]], folder: Path) -> list[Finding]:
    findings = []
    for leak in leaks:
        where = _relative(leak["File"], folder)
        if where == BAIT:
            continue
        commit = f" in commit {leak['Commit'][:12]}" if leak.get("Commit") else ""
        findings.append(
            Finding(leak["RuleID"], where, leak["StartLine"], f"{leak['Description']}{commit}")
        )
    return findings


def _relative(file: str, folder: Path) -> str:
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _lay_bait(path: Path) -> None:
    # Put together here, so that this file is no finding itself.
    key = "AKIA" + "QYLPMN5HFIQR7XYA"
    begin, end = ("-----%s RSA PRIVATE KEY-----" % word for word in ("BEGIN", "END"))  # noqa: UP031
    body = "\n".join("MIIEpAIBAAKCAQEA" + f"{number:048x}" for number in range(12345, 12360))
    path.parent.mkdir(parents=True)
    path.write_text(f"aws_access_key_id = {key}\n{begin}\n{body}\n{end}\n", encoding="utf-8")
