"""Findings as SARIF 2.1.0, the form in which GitHub shows them on the lines of a change."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pipeline.scanners import findings
from pipeline.scanners.findings import Outcome

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One run for each scanner that looked at something, so that a finding that is gone is closed on GitHub."""
    runs = [_run(outcome) for outcome in outcomes if outcome.state != findings.NOT_CHECKED]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def _run(outcome: Outcome) -> dict[str, Any]:
    rules = sorted({finding.rule for finding in outcome.findings})
    results = [
        {
            "ruleId": finding.rule,
            "level": "error" if finding.fails else "note",
            "message": {"text": finding.text},
            "locations": [
                {
                    "physicalLocation": {
                        # GitHub refuses the whole file where one of these is no relative URI.
                        "artifactLocation": {"uri": quote(finding.where), "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": max(finding.line, 1)},
                    }
                }
            ],
        }
        for finding in outcome.findings
    ]
    driver = {"name": outcome.name, "rules": [{"id": rule} for rule in rules]}
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"scan/{outcome.name}"},
        "results": results,
    }
