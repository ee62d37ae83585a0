"""Findings in the form that GitHub shows on the lines of a change."""

from pipeline.scanners import findings, sarif


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
