"""gitleaks: secrets in the work tree and in its history."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.core import console, process, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.git import repository as git
from pipeline.scanners.findings import Finding, Outcome, judged, not_checked

#: A file with made-up secrets that is laid among the others: a scanner that misses it saw nothing.
BAIT = "bait/credentials.txt"
BAIT_RULES = {"aws-access-token", "private-key"}

HISTORY = "secrets in the history"
HISTORY_CUT = not_checked(HISTORY, "this clone is shallow: git fetch --unshallow gets all commits")


#: What decides about a scan beside what it looks at. An accepted finding is marked on its line with
#: ``gitleaks:allow``, or by its fingerprint in ``.gitleaksignore``.
SETTINGS = (".gitleaks*", "tools/tools.yaml", "pipeline/scanners/gitleaks.py")


def tree_key(root: Path = ROOT) -> str:
    """A hash of all that ``scan_tree`` looks at."""
    return git.content_key(git.files(root=root), root=root)


def history_key(root: Path = ROOT) -> str:
    """A hash of all that ``scan_history`` looks at."""
    return git.content_key(git.files(*SETTINGS, root=root), git.revision(root), root=root)


def scan_tree(root: Path = ROOT) -> list[Outcome]:
    """Looks at every file that Git tracks or would track.

    Raises PipelineError when gitleaks failed, or missed the made-up secrets.
    """
    with console.progress("gitleaks"), tempfile.TemporaryDirectory() as name:
        tree, sources = Path(name), git.files(root=root)
        git.copy(sources, tree, root=root)
        _lay_bait(tree / BAIT)
        leaks = _run("dir", tree, "scan-gitleaks-tree")
    seen = {leak["RuleID"] for leak in leaks if leak["File"] == BAIT}
    if not seen >= BAIT_RULES:
        raise PipelineError(
            "gitleaks missed the made-up secrets that it has to find",
            next_step="check its version and configuration: it would miss real ones too",
            log=log_file("scan-gitleaks-tree"),
        )
    return [judged("secrets in the tree", len(sources), "files", _findings(leaks))]


def scan_history(root: Path = ROOT) -> list[Outcome]:
    """Looks at every commit that this one contains; a shallow history is NOT CHECKED.

    Commits of other branches are not looked at: a pull request has its own check, and would stop all others by its.
    Raises PipelineError when gitleaks failed.
    """
    if git.run("rev-parse", "--is-shallow-repository", root=root).strip() == "true":
        return [HISTORY_CUT]
    with console.progress("gitleaks, history"):
        leaks = _run("git", root, "scan-gitleaks-history", "--log-opts=--full-history HEAD")
    commits = int(git.run("rev-list", "--count", "HEAD", root=root))
    return [judged(HISTORY, commits, "commits", _findings(leaks))]


def _run(mode: str, folder: Path, log: str, *options: str) -> list[dict[str, Any]]:
    """gitleaks' findings, with files relative to the folder."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "leaks.json"
        process.run(
            [
                *(tools.tool("gitleaks"), mode, folder, "--no-banner", "--no-color", "--redact"),
                *("--exit-code", "0", "--report-format", "json", "--report-path", report),
                *options,
            ],
            log=log_file(log),
            cwd=folder,
            env=git.environment(),
        )
        leaks: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
    return [{**leak, "File": leak["File"].removeprefix(f"{folder}/")} for leak in leaks]


def _findings(leaks: Sequence[dict[str, Any]]) -> list[Finding]:
    findings = []
    for leak in leaks:
        commit = f" in commit {leak['Commit'][:12]}" if leak.get("Commit") else ""
        message = f"{leak['Description']}{commit}"
        findings.append(Finding(leak["RuleID"], leak["File"], leak["StartLine"], message))
    return [finding for finding in findings if finding.where != BAIT]


def _lay_bait(path: Path) -> None:
    # Put together here, so that this file is no finding itself.
    key = "AKIA" + "QYLPMN5HFIQR7XYA"
    begin, end = ("-----%s RSA PRIVATE KEY-----" % word for word in ("BEGIN", "END"))  # noqa: UP031
    body = "\n".join("MIIEpAIBAAKCAQEA" + f"{number:048x}" for number in range(12345, 12360))
    path.parent.mkdir(parents=True)
    path.write_text(f"aws_access_key_id = {key}\n{begin}\n{body}\n{end}\n", encoding="utf-8")
