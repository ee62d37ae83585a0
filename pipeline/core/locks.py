"""One writer at a time: a lock that names its holder and dies with it."""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pipeline.core.errors import PipelineError
from pipeline.core.paths import ENGINES


def exclusive(
    name: str, folder: Path = ENGINES / "locks", *, wait: bool = False
) -> AbstractContextManager[None]:
    """Holds the lock as long as this process lives; waits for its holder, or raises PipelineError that names it."""
    return _held(folder / f"{name}.lock", fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def shared(name: str, folder: Path = ENGINES / "locks") -> AbstractContextManager[None]:
    """Holds the lock beside other shared holders; refuses, as ``exclusive`` does, while one has it for itself."""
    return _held(folder / f"{name}.lock", fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def _held(path: Path, operation: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, operation)
        except BlockingIOError:
            raise PipelineError(
                f"another run holds the {path.stem} lock: {_holder(path)}",
                next_step="wait until it has ended, then run this again",
            ) from None
        if operation & fcntl.LOCK_EX:
            file.truncate(0)
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"pid": os.getpid(), "command": command, "since": since}) + "\n")
        file.flush()
        yield


def _holder(path: Path) -> str:
    """The newest holder that lives: shared holders stand one below the other."""
    for record in map(json.loads, reversed(path.read_text(encoding="utf-8").splitlines())):
        if psutil.pid_exists(record["pid"]):
            return f"pid {record['pid']}, “{record['command']}”, since {record['since']}"
    return "a process that is just starting"
