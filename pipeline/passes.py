"""Remembers which content a stage has passed for, so that unchanged content is not checked twice on this machine."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.paths import LOCAL

FOLDER = LOCAL / "passed"


def once(stage: str, key: str, body: Callable[[], str], folder: Path = FOLDER) -> str:
    """Runs ``body`` unless the stage has already passed for this content; only a pass is remembered.

    Args:
        key: Changes whenever the result could (``git.content_key`` over all that the stage reads).

    Returns:
        The body's result, or what it was and when, marked as reused.
    """
    file = folder / f"{stage}.json"
    if file.is_file():
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["key"] == key:
            return f"unchanged since it passed at {record['at']}: {record['result']}"
    result = body()
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now().astimezone().strftime("%H:%M")
    file.write_text(json.dumps({"key": key, "at": now, "result": result}), encoding="utf-8")
    return result


def forget(stage: str, folder: Path = FOLDER) -> None:
    """Makes the next ``once`` run again."""
    (folder / f"{stage}.json").unlink(missing_ok=True)
