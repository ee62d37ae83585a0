"""What the runner makes of a task's result, and of its failure."""

import errno
from pathlib import Path

import pytest

from pipeline import runner
from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.github import reports


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a step's files ``outputs`` and ``summary``, and the tasks' reports."""
    monkeypatch.setattr(reports, "REPORTS", tmp_path)
    monkeypatch.setattr(runner, "log_file", lambda name: tmp_path / f"{name}.log")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def test_a_result_is_printed_reported_and_put_out(
    github: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @runner.command
    def push_it() -> Result:
        return Result("pushed", "### Pushed\n\nAll of it.", {"digest": "sha256:1"})

    push_it()
    assert capsys.readouterr().out == "pushed\n"
    assert (github / "push-it.md").read_text(encoding="utf-8") == "### Pushed\n\nAll of it.\n"
    assert (github / "summary").read_text(encoding="utf-8").startswith("### Pushed")
    assert (github / "outputs").read_text(encoding="utf-8") == "digest=sha256:1\n"


def test_a_failure_has_one_line_and_its_report(
    github: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @runner.command
    def scan() -> Result:
        raise PipelineError("2 findings", next_step="fix them", report="### Scan\n\n- one")

    with pytest.raises(SystemExit, match="1"):
        scan()
    assert capsys.readouterr().err == "scan failed: 2 findings. Next: fix them.\n"
    assert "- one" in (github / "scan.md").read_text(encoding="utf-8")
    assert "- one" in (github / "summary").read_text(encoding="utf-8")
    assert not (github / "outputs").exists()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "full"), "no space is left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied /x"),
        (ValueError("odd"), "unexpected ValueError: odd"),
    ],
)
def test_what_no_stage_expected_is_a_line_as_well(
    github: Path, capsys: pytest.CaptureFixture[str], error: Exception, cause: str
) -> None:
    @runner.command
    def odd() -> Result:
        raise error

    with pytest.raises(SystemExit, match="1"):
        odd()
    assert capsys.readouterr().err.startswith(f"odd failed: {cause}. Next: ")
    assert (github / "odd-error.log").is_file() == isinstance(error, ValueError)
