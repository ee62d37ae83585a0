"""Runs a GitHub workflow on this machine with act: the committed YAML, its steps as processes of this user.

act's own rules differ from GitHub's where ``docs/github.md`` says so; above all it skips a job whose runner it does not
know and calls that a success. ``run`` therefore reports every job, and the caller compares with what should have run.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core import files, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.tools import tool

#: The runner that the workflows name, mapped to processes on this machine.
RUNNER = "ubuntu-24.04"
#: Jobs side by side, as many as the smallest hosted runner has cores.
JOBS = 2


@dataclass
class Job:
    """One job of a run; one of a matrix is told by its name.

    ``result`` is success, failure or skipped; ``seconds`` is its own time; ``steps`` are the steps that ran, by
    name, with their results; ``last_words`` are its newest output lines.
    """

    identity: str
    name: str
    result: str = "running"
    seconds: float = 0.0
    started: float = 0.0
    steps: dict[str, str] = field(default_factory=dict)
    last_words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """What to run: an event with its payload on a workflow file of a work tree."""

    folder: Path
    workflow: str
    event: str
    payload: Mapping[str, Any]
    env: Mapping[str, str]
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    actions: Mapping[str, Path]
    inputs: Mapping[str, str] = field(default_factory=dict)


def run(
    what: Run,
    *,
    scratch: Path,
    log: Path,
    show: Callable[[Job, str], None] = lambda _job, _line: None,
) -> list[Job]:
    """Runs a workflow to its end; jobs in the order in which they began.

    Args:
        scratch: A folder for the jobs' work trees and the files that tell act its variables.
        show: Called with a job and its newest line of output.

    Raises:
        PipelineError: act refused the workflow or ended without running a job. A job that fails is a result.
    """
    jobs: dict[str, Job] = {}

    def on_line(line: str) -> None:
        for job, text in _read(line, jobs):
            show(job, text)

    failed: CommandFailedError | None = None
    try:
        process.run(
            _command(what, scratch), log=log, cwd=what.folder, env=_environ(), on_line=on_line
        )
    except CommandFailedError as error:
        failed = error
    ended = list(jobs.values())
    if failed and not any(job.result == "failure" for job in ended):
        raise PipelineError(
            f"act did not run {what.workflow}: {failed.tail[-1] if failed.tail else failed.cause}",
            next_step="check the workflow with ./inv lint",
            log=log,
        ) from failed
    if not ended:
        raise PipelineError(
            f"no job of {what.workflow} ran for the event {what.event}",
            next_step="check the workflow's `on:` and `runs-on:`",
            log=log,
        )
    return ended


def _command(what: Run, scratch: Path) -> list[str | Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    payload = scratch / "event.json"
    payload.write_text(json.dumps(what.payload), encoding="utf-8")
    argv: list[str | Path] = [
        *(tool("act"), what.event, "--json", "--workflows", what.workflow, "--eventpath", payload),
        *("--platform", f"{RUNNER}=-self-hosted", "--pull=false", "--no-cache-server"),
        *("--no-skip-checkout", "--concurrent-jobs", str(JOBS)),
        *("--action-cache-path", scratch / "jobs"),
        *("--env-file", _file(scratch / "env", what.env)),
        *("--var-file", _file(scratch / "variables", what.variables)),
        *("--secret-file", _file(scratch / "secrets", what.secrets)),
        *("--input-file", _file(scratch / "inputs", what.inputs)),
    ]
    for action, folder in what.actions.items():
        argv += ["--local-repository", f"{action}={folder}"]
    return argv


def _file(path: Path, values: Mapping[str, str]) -> Path:
    lines = [f"{name}={json.dumps(value)}\n" for name, value in values.items()]
    files.write(path, "".join(lines), mode=files.PRIVATE)
    return path


def _environ() -> dict[str, str]:
    """This process's environment without what would lead a job to GitHub or to somebody's account."""
    dropped = ("GITHUB_", "ACTIONS_", "RUNNER_", "AWS_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    # act asks for a container engine even when no job needs one.
    kept.setdefault("DOCKER_HOST", "unix:///var/run/docker.sock")
    kept.update({name: value for name, value in os.environ.items() if name == "GIT_SSL_CAINFO"})
    return kept


def _read(line: str, jobs: dict[str, Job]) -> Iterator[tuple[Job, str]]:
    try:
        event = json.loads(line)
    except ValueError:
        return
    if not isinstance(event, dict) or "jobID" not in event:
        return
    name = " ".join(str(event["job"]).split())
    if name not in jobs:
        jobs[name] = Job(str(event["jobID"]), name, started=time.monotonic())
    job = jobs[name]
    text = str(event.get("msg", "")).strip()
    if event.get("raw_output") and text:
        job.last_words = [*job.last_words, text][-50:]
        yield job, text
    if event.get("stage") == "Main" and "stepResult" in event and len(event["stepID"]) == 1:
        job.steps[str(event["step"])] = str(event["stepResult"])
    if "jobResult" in event:
        job.result = str(event["jobResult"])
        job.seconds = time.monotonic() - job.started
        yield job, job.result


def pinned_actions(texts: Sequence[str]) -> set[str]:
    """The third-party actions that workflow texts use, as ``owner/name@ref`` without a path inside the repository."""
    found = set()
    for text in texts:
        for line in text.splitlines():
            before, _, after = line.partition("uses:")
            if before.strip(" -") or not after:
                continue
            name = after.split("#")[0].strip()
            if name.startswith("./") or "@" not in name:
                continue
            action, _, ref = name.partition("@")
            found.add(f"{'/'.join(action.split('/')[:2])}@{ref}")
    return found
