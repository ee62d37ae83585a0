"""One writer at a time: a lock that names its holder and dies with it."""

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ENGINES


@contextlib.contextmanager
def exclusive(name: str, folder: Path = ENGINES / "locks", *, wait: bool = False) -> Iterator[None]:
    """Holds the lock ``name``, waiting for its holder or refusing; it ends with this process, however that ends.

    Raises:
        PipelineError: Another process holds it; the cause names its pid, command and start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise PipelineError(
                f"another run holds the {name} lock: {_holder(path)}",
                next_step="wait until it has ended, then run this again",
            ) from None
        file.truncate(0)
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        since = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "command": command, "since": since}, file)
        file.flush()
        yield


def _holder(path: Path) -> str:
    if not (record := files.read_json(path)):
        return "a process that is just starting"
    return f"pid {record['pid']}, “{record['command']}”, since {record['since']}"
