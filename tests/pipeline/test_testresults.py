"""What pytest found is told in figures, and each failure with its place."""

import subprocess
import sys
from pathlib import Path

from pipeline.github import test_results as testresults

TESTS = """
import pytest

def test_passes():
    pass

def test_fails():
    assert "the turkey" == "burnt | <b>"

@pytest.fixture
def broken():
    raise RuntimeError("no oven")

def test_cannot_start(broken):
    pass

@pytest.mark.skip(reason="not today")
def test_skipped():
    pass
"""


def test_figures_and_places_come_from_pytests_own_report(tmp_path: Path) -> None:
    (tmp_path / "test_dinner.py").write_text(TESTS, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-o", "junit_family=xunit1", "--junitxml=out.xml"]
    subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True)
    results = testresults.read(tmp_path / "out.xml")
    assert (results.passed, results.skipped, len(results.failures)) == (1, 1, 2)
    assert results.in_words().startswith("1 passed, 2 failed, 1 skipped in ")
    first = results.failures[0]
    assert (first.file, first.line) == ("test_dinner.py", 7)
    assert "the turkey" in first.message
    assert "no oven" in results.failures[1].message
    told = results.as_markdown("Tests")
    assert "<b>" not in told
