"""What `./inv test` reads of pytest: the figures of its last line and the names of failures."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.commands import test
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git.groups import Group

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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "test_dinner.py").write_text(TESTS, encoding="utf-8")
    monkeypatch.setattr(test, "log_file", lambda name: tmp_path / f"{name}.log")
    monkeypatch.setattr(test, "PARALLEL", ())
    # Outside this repository no settings name the plugins, and each session would load them all.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return tmp_path


def test_failures_are_counted_and_named(folder: Path) -> None:
    with pytest.raises(PipelineError, match="dinner tests failed: 1 failed, 1 passed") as caught:
        test._pytest("dinner", "not engine", [str(folder)])
    report = caught.value.report
    assert "### Tests (dinner)" in report
    assert "test\\_fails" in report
    assert "no oven" in report
    assert "<b>" not in report


def test_passes_are_counted(folder: Path) -> None:
    names = [f"{folder / 'test_dinner.py'}::test_{name}" for name in ("passes", "skipped")]
    figures = test._pytest("dinner", "not engine", names)
    assert figures.startswith("1 passed, 1 skipped in ")


def test_no_test_has_no_figures(folder: Path) -> None:
    assert test._pytest("dinner", "engine", [str(folder)]) == ""


@pytest.fixture
def dinner(folder: Path) -> list[Group]:
    """Two groups: what passes, and what does not yet."""
    (folder / "test_soup.py").write_text("def test_hot(): pass\n", encoding="utf-8")
    (folder / "test_roast.py").write_text("def test_done(): assert False\n", encoding="utf-8")
    files = {name: folder / f"test_{name}.py" for name in ("soup", "roast")}
    return [Group(name, [file], [file]) for name, file in files.items()]


@pytest.mark.parametrize(
    ("apart", "failure", "again"),
    [
        (
            True,
            "roast tests failed: 1 failed",
            "roast: 1 passed in .*; unchanged since they passed: soup",
        ),
        (False, "fast tests failed: 1 failed, 1 passed", "soup, roast: 2 passed in .*"),
    ],
    ids=["each in a session of its own", "all in one session"],
)
def test_a_group_that_has_passed_runs_again_only_when_an_input_changes(
    folder: Path, dinner: list[Group], apart: bool, failure: str, again: str
) -> None:
    with pytest.raises(PipelineError, match=f"^{failure}"):
        test._fast(dinner, again=False, apart=apart, folder=folder)
    (folder / "test_roast.py").write_text("def test_done(): pass\n", encoding="utf-8")
    assert re.fullmatch(again, test._fast(dinner, again=False, apart=apart, folder=folder))
    everything = test._fast(dinner, again=False, apart=apart, folder=folder)
    assert everything == "unchanged since they passed: soup, roast"


def test_coverage_is_measured_where_it_is_judged_and_counts_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[bool] = []

    def run(_groups: list[Group], *, measured: bool) -> str:
        runs.append(measured)
        return "1 passed in 1.0s"

    monkeypatch.setattr(test, "_session", run)
    monkeypatch.setattr(test, "project", lambda: SimpleNamespace(checked=True))
    file = folder / "test_dinner.py"
    chosen = [Group("app", [file], [file])]
    for apart in (False, False, True, True, False):
        test._fast(chosen, again=False, apart=apart, folder=folder)
    assert runs == [False, True]


def test_a_failure_is_annotated_on_its_line(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "test_dinner.py"],
        cwd=folder,
        env={"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "::error file=test_dinner.py,line=8" in result.stdout + result.stderr
