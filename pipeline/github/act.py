"""Runs a GitHub workflow on this machine with act, its steps as processes of this user; docs/github.md has the
differences from GitHub. act calls a job with an unknown runner a success: callers compare with what should have run."""

import contextlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipeline.core import files, process
from pipeline.core.errors import CommandFailedError, PipelineError, SilentError
from pipeline.core.tools import tool
from pipeline.git import repository as git

#: The runner that the workflows name, mapped to processes on this machine.
RUNNER = "ubuntu-24.04"
#: Jobs side by side, as many as the smallest hosted runner has cores.
JOBS = 2
#: Seconds without a line of output, after which a run counts as hung: act 0.2.89 now and then waits for ever for the
#: terminal of a step that has ended.
SILENCE_SECONDS = 900
OUTPUT_LINES = 50


@dataclass
class Job:
    """One job of a run, or one of a matrix.

    ``result`` is running, success, failure or skipped; ``steps`` are the results of the steps that ran, by name;
    ``step`` is the newest step, ``output`` the newest lines.
    """

    identity: str
    name: str
    started: float
    result: str = "running"
    seconds: float = 0.0
    step: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)


def run(
    folder: Path,
    workflow: str,
    event: str,
    *,
    payload: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, str]],
    actions: Mapping[str, Path],
    scratch: Path,
    log: Path,
    silence_seconds: float,
    show: Callable[[Job, str], None],
) -> list[Job]:
    """The jobs of a workflow file of a work tree, run to its end, in the order in which they began.

    Args:
        settings: By act's kind: ``env``, ``var``, ``secret`` and ``input``.
        actions: The folders that hold third-party actions.
        scratch: A folder for the jobs' work trees and act's input files.
        show: Called with a job and its newest line of output.

    Raises:
        SilentError: A step hung and was ended.
        PipelineError: act refused the workflow or ended without running a job. A job that fails is a result.
    """
    jobs: dict[str, Job] = {}

    def on_line(line: str) -> None:
        for job, text in _read(line, jobs):
            show(job, text)

    files.write(scratch / "event.json", json.dumps(payload))
    argv: list[str | Path] = [
        *(tool("act"), event, "--json", "--workflows", workflow),
        *("--eventpath", scratch / "event.json"),
        *("--platform", f"{RUNNER}=-self-hosted", "--pull=false", "--no-cache-server"),
        *("--no-skip-checkout", "--concurrent-jobs", str(JOBS)),
    ]
    for kind, values in settings.items():
        lines = "".join(f"{name}={json.dumps(value)}\n" for name, value in values.items())
        files.write(scratch / kind, lines, mode=files.PRIVATE)
        argv += [f"--{kind}-file", scratch / kind]
    for action, place in actions.items():
        argv += ["--local-repository", f"{action}={place}"]
    problem = ""
    try:
        with _without_spaces(scratch / "jobs") as place:
            process.run(
                [*argv, "--action-cache-path", place],
                log=log,
                cwd=folder,
                env=_environ(),
                on_line=on_line,
                silence_seconds=silence_seconds,
            )
    except KeyboardInterrupt:
        _end_steps(scratch)
        raise
    except SilentError as error:
        _end_steps(scratch)
        steps = [f"{job.name}: {job.step}" for job in jobs.values() if job.result == "running"]
        raise SilentError(
            f"{workflow} hung in {' and '.join(steps) or 'act itself'}: {error.cause}",
            next_step="read the log; run it again",
            log=log,
        ) from error
    except CommandFailedError as error:
        problem = error.tail[-1] if error.tail else error.cause
    failed = any(job.result == "failure" for job in jobs.values())
    if not jobs or (problem and not failed):
        raise PipelineError(
            f"act did not run {workflow} for the event {event}: {problem or 'it has no job for it'}",
            next_step="check the workflow's `on:` and `runs-on:`, and run ./inv lint",
            log=log,
        )
    return list(jobs.values())


@contextlib.contextmanager
def _without_spaces(folder: Path) -> Iterator[Path]:
    """A path of a folder, made now, that bash takes for one word: act names it the steps' scripts without quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    if not re.search(r"\s", str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="act-") as place:
        link = Path(place) / "jobs"
        link.symlink_to(folder, target_is_directory=True)
        yield link


def _end_steps(scratch: Path) -> None:
    """Ends what still works in a job's folder: act starts its steps in sessions that no signal to act reaches."""
    for step in psutil.process_iter(["cwd"]):
        if Path(step.info["cwd"] or "/").is_relative_to(scratch):
            with contextlib.suppress(psutil.NoSuchProcess):
                step.kill()


def _environ() -> dict[str, str]:
    """This process's environment without what would lead a job to GitHub or to somebody's account."""
    dropped = ("GITHUB_", "ACTIONS_", "RUNNER_", "AWS_", "GIT_CONFIG_")
    kept = {name: text for name, text in git.environment().items() if not name.startswith(dropped)}
    # act asks for a container engine even when no job needs one.
    return {"DOCKER_HOST": "unix:///var/run/docker.sock", **kept}


def _read(line: str, jobs: dict[str, Job]) -> Iterator[tuple[Job, str]]:
    try:
        event = json.loads(line)
    except ValueError:
        return
    if not isinstance(event, dict) or "jobID" not in event:
        return
    name = " ".join(str(event["job"]).split())
    job = jobs.setdefault(name, Job(str(event["jobID"]), name, time.monotonic()))
    text = str(event.get("msg", "")).strip()
    if event.get("raw_output") and text:
        job.output = [*job.output, text][-OUTPUT_LINES:]
        yield job, text
    # The steps of a composite action have ids of several parts.
    if event.get("stage") == "Main" and len(event.get("stepID", ())) == 1:
        job.step = str(event["step"])
        if "stepResult" in event:
            job.steps[job.step] = str(event["stepResult"])
    if "jobResult" in event:
        job.result = str(event["jobResult"])
        job.seconds = time.monotonic() - job.started
        yield job, job.result
