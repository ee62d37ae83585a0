"""What the runner makes of a task's result, and of its failure."""

import errno
import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoRegionError
from invoke.context import Context
from invoke.tasks import Task

import tasks
from pipeline import runner
from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL, REPORTS, ROOT
from pipeline.github import reports
from tests.pipeline.test_arguments import GOOD

DENIED = ClientError(
    {
        "Error": {
            "Code": "AccessDenied",
            "Message": "not authorized to perform: ecs:DescribeServices",
        }
    },
    "DescribeServices",
)


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
        (DENIED, "AWS refused DescribeServices: not authorized to perform: ecs:DescribeServices"),
        (NoRegionError(), "AWS does not answer: You must specify a region"),
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


def arguments(task: str) -> dict[str, inspect.Parameter]:
    """The task's own parameters."""
    return dict([*inspect.signature(tasks.ns[task].body).parameters.items()][1:])


def refused(task: str, capsys: pytest.CaptureFixture[str], **given: str) -> str:
    """What a task prints that fails, with something for each argument that it requires."""
    required = {
        name: GOOD.get(name, "x")
        for name, argument in arguments(task).items()
        if argument.default is argument.empty
    }
    with pytest.raises(SystemExit):
        tasks.ns[task].body(Context(), **required | given)
    return capsys.readouterr().err


@pytest.mark.parametrize("task", [task for task in tasks.ns.tasks if "digest" in arguments(task)])
def test_what_is_no_digest_is_refused_before_anything_else(
    task: str, github: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module(f"pipeline.commands.{task.replace('-', '_')}")
    monkeypatch.setattr(module, "run", lambda *_, **__: pytest.fail("the task has begun"))
    assert "'nonsense' is not an image digest" in refused(task, capsys, digest="nonsense")


@pytest.mark.parametrize("task", [task for task in tasks.ns.tasks if "override" in arguments(task)])
@pytest.mark.parametrize("reason", ["late [skip ci]", "two\nImage: lines"])
def test_a_reason_that_changes_what_its_commit_means_is_refused(
    task: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module(f"pipeline.commands.{task}")
    monkeypatch.setattr(module, "run", lambda *_, **__: pytest.fail("the task has begun"))
    assert "is not a reason" in refused(task, capsys, override=reason)


@pytest.mark.parametrize(
    ("task", "argument"),
    [
        *((task, "environment") for task in tasks.ns.tasks if "environment" in arguments(task)),
        ("promote", "source"),
        ("promote", "target"),
    ],
)
def test_an_unknown_environment_is_refused_with_those_that_there_are(
    task: str, argument: str, github: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(task, capsys, **{argument: "nowhere"})
    assert "there is no environment" in message
    assert "choose one of: local, production, staging" in message


@pytest.mark.parametrize("task", tasks.ns.tasks)
def test_an_argument_with_a_default_may_be_left_out(task: str) -> None:
    arguments_given = tasks.ns[task].get_arguments()
    required = {each.name for each in arguments_given if each.positional and each.value is None}
    assert required <= {
        name for name, argument in arguments(task).items() if argument.default is argument.empty
    }


#: The arguments that take one of several words.
CHOICES = {
    "verify": "to",
    "deploy": "to",
    "dev": "to",
    "logs": "to",
    "exec": "to",
    "open": "to",
    "events": "to",
    "cluster": "action",
    "db": "what",
    "bench": "name",
    "scan": "only",
    "pipeline": "event",
}


@pytest.mark.parametrize("task", CHOICES)
def test_another_word_is_refused_with_those_that_there_are(
    task: str, github: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(task, capsys, **{CHOICES[task]: "nonsense"})
    assert "'nonsense'" in message
    assert "choose one of: " in message


def test_every_task_is_listed() -> None:
    written = {each.name for each in vars(tasks).values() if isinstance(each, Task)}
    assert written == {each.name for each in tasks.ns.tasks.values()}


def test_every_choice_is_among_them() -> None:
    calls = sum(
        source.read_text(encoding="utf-8").count("require_choice(")
        for folder in ("commands", "targets")
        for source in (ROOT / "pipeline" / folder).glob("*.py")
    )
    # That of targets is for six tasks.
    assert calls == len(CHOICES) - 5


def test_what_a_test_makes_fail_is_no_part_of_the_report_of_the_job_that_runs_it() -> None:
    assert REPORTS == LOCAL / "test-reports"
    kept = LOCAL / "reports" / "gate.md"
    before = kept.stat().st_mtime_ns if kept.exists() else None
    environ = {name: value for name, value in os.environ.items() if name != "NEEDS"}
    argv = [str(ROOT / "inv"), "gate"]
    done = subprocess.run(
        argv, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert "gate failed: " in done.stderr
    assert (REPORTS / "gate.md").exists()
    assert (kept.stat().st_mtime_ns if kept.exists() else None) == before
    assert not {"GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"} & os.environ.keys()


def test_a_task_of_another_checkout_that_a_test_runs_reports_there(tmp_path: Path) -> None:
    program = "from pipeline.core.paths import REPORTS; print(REPORTS)"
    for name in ("__init__.py", "core/__init__.py", "core/paths.py"):
        target = tmp_path / "pipeline" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((ROOT / "pipeline" / name).read_bytes())
    argv = [sys.executable, "-c", program]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(tmp_path / ".local" / "reports")
