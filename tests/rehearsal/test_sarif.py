"""Findings in the form that GitHub shows on the lines of a change."""

import json
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.core.paths import ROOT
from pipeline.scanners import findings, grype, sarif
from tests.rehearsal.test_artifacts import act


def test_each_scanner_is_a_run_and_each_finding_a_result_on_its_line() -> None:
    finding = findings.Finding(
        rule="CKV_AWS_1", where="infra/terraform/main.tf", line=7, message="open"
    )
    outcomes = [
        findings.Outcome("policies", findings.FOUND, "12 files", (finding,)),
        findings.Outcome("secrets", findings.PASSED, "90 files"),
        findings.Outcome("image", findings.NOT_CHECKED, "nothing", note="no database"),
    ]
    document = sarif.document(outcomes)
    assert document["version"] == "2.1.0"
    assert [run["tool"]["driver"]["name"] for run in document["runs"]] == ["policies", "secrets"]
    (result,) = document["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], result["level"]) == ("CKV_AWS_1", "error")
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (finding.where, 7)
    assert document["runs"][1]["results"] == []


def upload(finding: findings.Finding, folder: Path, *, escaped: bool = True) -> str:
    """What code scanning says of a report with this finding: the stand-in refuses what GitHub does, the whole file."""
    document = json.dumps(sarif.document([findings.Outcome("a scan", "findings", "1", (finding,))]))
    if not escaped:
        document = document.replace(quote(finding.where), finding.where)
    (folder / "scan.sarif").write_text(document, encoding="utf-8")
    try:
        act("upload-sarif", folder, folder, sarif_file="scan.sarif")
    except subprocess.CalledProcessError as error:
        return str(error.stdout.decode())
    return ""


def test_a_package_is_found_in_the_file_that_brings_it_and_named_in_the_text(
    tmp_path: Path,
) -> None:
    match = {
        "vulnerability": {"id": "CVE-2023-45853", "severity": "Critical"},
        "artifact": {"name": "zlib1g", "version": "1:1.2.13.dfsg-1"},
    }
    finding = grype.finding(match, frozenset())
    assert (ROOT / finding.where).is_file()
    assert finding.text.startswith("zlib1g 1:1.2.13.dfsg-1: Critical")
    assert upload(finding, tmp_path) == ""
    assert finding.text in (tmp_path / "scan.sarif").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a b.txt", "1:2/x.py", "häuser/#1?.yaml", "50%.tf"])
def test_code_scanning_takes_whatever_name_a_file_has(name: str, tmp_path: Path) -> None:
    finding = findings.Finding("rule", name, 1, "open")
    assert upload(finding, tmp_path) == ""
    assert "invalid URI" in upload(finding, tmp_path, escaped=False)
