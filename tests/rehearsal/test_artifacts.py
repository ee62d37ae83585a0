"""The reports of jobs, kept and fetched by the stand-ins for the actions that do so on GitHub."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import notify
from pipeline.core.paths import ROOT
from pipeline.github import gate, reports


def act(action: str, workspace: Path, shared: Path, **inputs: str) -> None:
    """One call of an action in a job's folder."""
    environment = {
        **os.environ,
        "GITHUB_WORKSPACE": str(workspace),
        "STAND_IN_FOLDER": str(shared),
        "STAND_IN_HOST": str(ROOT),
        "INPUTS": json.dumps(inputs),
    }
    argv = [sys.executable, str(ROOT / "localgithub" / "stand_in.py"), action]
    subprocess.run(argv, env=environment, check=True, timeout=60, capture_output=True)


def run(
    job: str, environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task: str
) -> None:
    """A job of a workflow whose task fails, and whose reports are kept."""
    workspace = tmp_path / f"{job}{environment}"
    monkeypatch.setattr(reports, "REPORTS", workspace / ".local" / "reports")
    monkeypatch.setenv("GITHUB_JOB", job)
    monkeypatch.setenv("TARGET", environment)
    reports.write(task, reports.failure("it differs", "apply it"))
    assert reports.failed() == task
    name = f"report-{job}{environment and f'-{environment}'}"
    hidden = {"include-hidden-files": "true", "if-no-files-found": "ignore"}
    act("upload-artifact", workspace, tmp_path, name=name, path=".local/reports/", **hidden)


def fetch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pattern: str) -> None:
    """A later job that reads the reports of the others."""
    workspace = tmp_path / "later"
    monkeypatch.setattr(reports, "REPORTS", workspace / ".local" / "reports")
    monkeypatch.setenv("GITHUB_JOB", "issue")
    monkeypatch.delenv("TARGET")
    inputs = {"name": "", "pattern": pattern, "path": ".local/reports/", "merge-multiple": "false"}
    act("download-artifact", workspace, tmp_path, **inputs)


@pytest.mark.parametrize("names", [["qa"], ["production", "qa"]], ids=["one", "two"])
def test_an_environment_that_differs_is_named_whether_it_is_alone_or_not(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The action unpacks a single artifact without its folder."""
    for name in names:
        run("drift", name, monkeypatch, tmp_path, "drift")
    fetch(monkeypatch, tmp_path, "report-drift-*")
    monkeypatch.setattr(gate, "needs", lambda: {"drift": gate.Needed("failure", {})})
    assert notify.ending(ROOT)[0].endswith(f"or was not compared: {', '.join(names)}")


def test_the_cause_of_a_single_job_is_in_its_row_of_the_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task of the job ``secrets`` is called ``scan``."""
    run("secrets", "", monkeypatch, tmp_path, "scan")
    fetch(monkeypatch, tmp_path, "report-*")
    assert reports.reason("secrets", reports.collect()).startswith("it differs")
    assert not reports.reason("scan", reports.collect())
