"""Remembers which content a stage has passed for, so that this machine does not check it twice."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.core import files
from pipeline.core.paths import LOCAL

FOLDER = LOCAL / "passed"
FIELDS = {"key", "at", "result"}


def once(
    stage: str,
    key: str,
    body: Callable[[], str],
    folder: Path = FOLDER,
    *,
    made: Path | None = None,
) -> str:
    """The result of ``body``, or the remembered one with its time where the stage has passed for this content.

    ``key`` changes whenever the result could; once what the body makes (``made``) is gone, nothing has passed.
    """
    earlier = _record(stage, key, folder)
    if earlier and (made is None or made.exists()):
        return f"unchanged since it passed at {earlier['at']}: {earlier['result']}"
    return record(stage, key, body(), folder)


def record(stage: str, key: str, result: str, folder: Path = FOLDER) -> str:
    """Remembers that the stage has passed for this content; returns ``result``."""
    now = datetime.now().astimezone().strftime("%H:%M")
    files.write(folder / f"{stage}.json", json.dumps({"key": key, "at": now, "result": result}))
    return result


def passed(stage: str, key: str, folder: Path = FOLDER) -> str | None:
    """The result with which the stage has passed for this content, or None."""
    record = _record(stage, key, folder)
    return record["result"] if record else None


def _record(stage: str, key: str, folder: Path) -> dict[str, str] | None:
    record = files.read_json(folder / f"{stage}.json", FIELDS)
    return record if record and record.keys() == FIELDS and record["key"] == key else None
