"""Servers that outlive the task which starts them: own process group, own log, a pid file under ``.local``."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ENGINES, log_file
from pipeline.core.waiting import wait

PID_FILES = ENGINES / "run"
STOP_SECONDS = 20


def start(
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    ready: Callable[[], bool],
    timeout: float,
) -> None:
    """Starts a detached server unless it already runs, and waits at most ``timeout`` seconds until it is ready.

    Raises:
        PipelineError: It ended early or was not ready in time; its log is named.
    """
    log = log_file(name)
    if not alive(name):
        with log.open("ab") as sink:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )
        record = {"pid": child.pid, "created": psutil.Process(child.pid).create_time()}
        files.write(_pid_file(name), json.dumps(record))
    settled = wait(lambda: ready() or not alive(name), timeout=timeout, interval=0.1)
    if not settled or not alive(name):
        stop(name)
        problem = "ended at once" if settled else f"was not ready within {timeout:.0f} s"
        raise PipelineError(f"{name} {problem}", next_step="read its log", log=log)


def alive(name: str) -> bool:
    """Whether the server that the pid file names still runs (and is not another process with its number)."""
    return _process(name) is not None


def stop(name: str) -> bool:
    """Ends the server and its children; True when one was running."""
    process = _process(name)
    if process:
        family = [*process.children(recursive=True), process]
        process.terminate()
        _, remaining = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for member in remaining:
            member.kill()
        psutil.wait_procs(remaining, timeout=STOP_SECONDS)
    _pid_file(name).unlink(missing_ok=True)
    return process is not None


def _pid_file(name: str) -> Path:
    return PID_FILES / f"{name}.json"


def _process(name: str) -> psutil.Process | None:
    record = files.read_json(_pid_file(name))
    if not record:
        return None
    try:
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["created"]) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
