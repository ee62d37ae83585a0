"""Runs other programs: output goes to a log, a failure says where to look, and Ctrl-C ends them in an orderly way.

A program writes straight to its log, which is followed while it runs: with a pipe to us it would die at its next line
when we are killed, and Terraform would end without saving its state.
"""

import contextlib
import math
import os
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from pipeline.core.errors import CommandFailedError, PipelineError, SilentError
from pipeline.core.paths import ROOT

#: Seconds that an interrupted program gets to end by itself. Terraform writes its state in them.
GRACE_SECONDS = 60
#: Seconds between two looks into the log of a program that runs.
FOLLOW_SECONDS = 0.1
#: Seconds without a line, and for an answer, after which a program counts as hung: no build or download takes so long.
SILENCE_SECONDS = 1800
CAPTURE_SECONDS = 900
TAIL_LINES = 15

_running: set[subprocess.Popen[str]] = set()
#: Those that were asked to stop: asked twice, Terraform would end without writing its state.
_asked: set[subprocess.Popen[str]] = set()
_running_lock = threading.Lock()

Argument = str | Path


def run(
    argv: Sequence[Argument],
    *,
    log: Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    append: bool = False,
    next_step: str = "read the log",
    silence_seconds: float = SILENCE_SECONDS,
    seconds: float = math.inf,
) -> None:
    """Runs a program to its end, its output going to ``log`` and line by line to ``on_line``.

    Raises:
        CommandFailedError: It ended with a non-zero code.
        SilentError: It printed nothing for ``silence_seconds``, or had not ended after ``seconds``, and was ended.
        PipelineError: The program does not exist.
    """
    command = [str(part) for part in argv]
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    log.parent.mkdir(parents=True, exist_ok=True)
    if not append:
        log.unlink(missing_ok=True)
    # For appending, as the system keeps it: the program's writing and ours never overwrite each other.
    with log.open("ab", buffering=0) as sink, log.open("rb") as written:
        sink.write(f"$ {shlex.join(command)}\n".encode())
        began = written.seek(0, os.SEEK_END)
        with _child(command, cwd, env, stdout=sink, stderr=subprocess.STDOUT) as child:
            for line in _followed(child, written, silence_seconds, seconds):
                tail.append(line)
                if on_line:
                    on_line(line)
            code = child.wait()
        if code != 0:
            written.seek(began)
            raise CommandFailedError(
                f"{Path(command[0]).name} ended with code {code}: {_last_words(tail)}",
                next_step=next_step,
                log=log,
                code=code,
                tail=list(tail),
                output=written.read().decode(errors="replace"),
            )


def capture(
    argv: Sequence[Argument],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    next_step: str = "run the command by hand to see more",
    seconds: float = CAPTURE_SECONDS,
) -> str:
    """A program's standard output; raises PipelineError as ``run``, with the last line of its standard error."""
    command = [str(part) for part in argv]
    with _child(command, cwd, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(stdin, seconds)
        except subprocess.TimeoutExpired as error:
            cause = f"{shlex.join(command[:3])} did not end within {seconds:.0f} s"
            raise SilentError(cause, next_step=next_step) from error
    if child.returncode != 0:
        tail = (err or out).strip().splitlines()[-TAIL_LINES:]
        cause = f"{shlex.join(command[:3])} ended with code {child.returncode}: {_last_words(tail)}"
        code = child.returncode
        raise CommandFailedError(cause, next_step=next_step, log=None, code=code, tail=tail)
    return out


def running() -> list[str]:
    """The programs that run now, by name and process id."""
    return [_named(child) for child in list(_running)]


def interrupt_all() -> None:
    """Asks every running program to stop (SIGINT, once), and ends those that have not after the grace time."""
    with _running_lock:
        children = _running - _asked
        _asked.update(children)
    for child in children:
        _signal(child, signal.SIGINT)
    for child in children:
        _await_end(child)


@contextlib.contextmanager
def _child(
    command: list[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    *,
    stdout: int | IO[bytes],
    stderr: int,
) -> Iterator[subprocess.Popen[str]]:
    # Its own process group: a terminal's Ctrl-C reaches us alone, and we pass it on once, in order.
    try:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE if stdout == subprocess.PIPE else subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise PipelineError(
            f"the program {command[0]} was not found", next_step="run ./inv doctor"
        ) from error
    with _running_lock:
        _running.add(child)
    try:
        yield child
    except BaseException:
        if child.poll() is None:
            _signal(child, signal.SIGINT)
            _await_end(child)
        raise
    finally:
        with _running_lock:
            _running.discard(child)
            _asked.discard(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def _followed(
    child: subprocess.Popen[str], written: IO[bytes], silence_seconds: float, seconds: float
) -> Iterator[str]:
    """The lines of a log, as they are written, until the program that writes them has ended."""
    unfinished = b""
    ended = False
    began = heard = time.monotonic()
    while not ended:
        # Asked before the log is read: what was written before the end is read after it.
        ended = child.poll() is not None
        while part := written.readline():
            heard = time.monotonic()
            unfinished += part
            if unfinished.endswith(b"\n"):
                yield unfinished.decode(errors="replace").rstrip()
                unfinished = b""
        if not ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(FOLLOW_SECONDS)
        if time.monotonic() - heard > silence_seconds:
            cause = f"no line of output for {silence_seconds:.0f} s from {_named(child)}"
            raise SilentError(cause, next_step="run it again")
        if time.monotonic() - began > seconds:
            cause = f"{_named(child)} had not ended after {seconds / 60:.0f} min"
            raise SilentError(cause, next_step="run it again")
    if unfinished:
        yield unfinished.decode(errors="replace").rstrip()


def _await_end(child: subprocess.Popen[str]) -> None:
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _named(child: subprocess.Popen[str]) -> str:
    command: list[str] = child.args  # type: ignore[assignment] # as _child gives them
    return f"{Path(command[0]).name} (pid {child.pid})"


def _last_words(lines: Sequence[str]) -> str:
    words = (line.strip().rstrip(".") for line in reversed(lines) if line.strip(" │╷╵"))
    return next(words, "it printed nothing")
