"""Only a severe advisory with a fix, of a package that the image ships, stops a change; the others are listed."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.scanners import findings, osv
from tests.gauntlet import osv as source

#: What a source of advisories has in store for packages that many have: by id, what differs from severe and fixed.
RECORDS: Mapping[str, Mapping[str, Any]] = {
    "GHSA-withdrawn": {"withdrawn": "2026-01-01T00:00:00Z"},
    "GHSA-no-fix": {"affected": [{"ranges": [{"events": [{"introduced": "0"}]}]}]},
    "GHSA-low": {"database_specific": {"severity": "LOW"}},
    "GHSA-moderate": {"database_specific": {"severity": "MODERATE"}},
    "GHSA-high": {"database_specific": {"severity": "HIGH"}},
    "PYSEC-unknown": {},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree whose image ships one package for each advisory, and whose tools are two hundred others."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    locks = {
        "app/requirements.txt": [f"shipped-{name.lower()}==1.0" for name in RECORDS],
        "requirements/pipeline.txt": [f"tool-{number}==1.0" for number in range(200)],
    }
    for name, lines in locks.items():
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_what_fails_is_severe_fixed_and_shipped(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    shipped = {f"pkg:pypi/shipped-{name.lower()}@1.0": name for name in RECORDS}
    tools = {f"pkg:pypi/tool-{number}@1.0": f"GHSA-tool-{number}" for number in range(200)}
    with source.knowing({**shipped, **tools}, RECORDS) as address:
        monkeypatch.setenv(osv.VARIABLE, address)
        outcome = osv.scan(root)
    assert outcome.state == findings.FOUND
    assert len(outcome.findings) == len(shipped) + len(tools)
    failing = {finding.rule for finding in outcome.findings if finding.fails}
    assert failing == {"GHSA-high", "PYSEC-unknown"}
