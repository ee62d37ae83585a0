"""Only a severe advisory with a fix, of a package that the image ships, stops a change; the others are listed."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.core import waiting
from pipeline.scanners import findings, osv
from pipeline.scanners.advisories import answered
from tests.answering import Handler, served
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


@pytest.mark.parametrize("first", [429, 503, 0])
def test_a_source_that_is_busy_or_breaks_off_is_asked_again(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (0,))
    left = [first]

    class Busy(Handler):
        def do_GET(self) -> None:
            status = left.pop() if left else 200
            if status:  # else it hangs up
                self.answer(b"{}", status)

    with served(Busy) as address:
        assert answered("GET", address, timeout=5, trust_env=False).json() == {}


@pytest.mark.parametrize("status", [404, 403])
def test_a_source_that_refuses_is_asked_once(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (3600,))

    class Refusing(Handler):
        def do_GET(self) -> None:
            self.answer(status=status)

    with served(Refusing) as address, pytest.raises(httpx.HTTPStatusError):
        answered("GET", address, timeout=5, trust_env=False)


def test_a_source_that_cannot_be_reached_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (3600,))
    with served(Handler) as address:
        pass
    with pytest.raises(httpx.ConnectError):
        answered("GET", address, timeout=5, trust_env=False)
