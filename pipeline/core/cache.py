"""Remembers which content a stage has passed for, so that unchanged content is not checked twice on this machine."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.core import files
from pipeline.core.paths import LOCAL

FOLDER = LOCAL / "passed"


def once(
    stage: str,
    key: str,
    body: Callable[[], str],
    folder: Path = FOLDER,
    *,
    made: Path | None = None,
) -> str:
    """Runs ``body`` unless the stage has already passed for this content; only a pass is remembered.

    Args:
        key: Changes whenever the result could (``git.content_key`` over all that the stage reads).
        made: What the body makes: once it is gone, nothing has passed.

    Returns:
        The body's result, or what it was and when, marked as reused.
    """
    kept = _kept(stage, key, folder)
    if kept and (made is None or made.exists()):
        return f"unchanged since it passed at {kept['at']}: {kept['result']}"
    result = body()
    record(stage, key, result, folder)
    return result


def record(stage: str, key: str, result: str, folder: Path = FOLDER) -> None:
    """Remembers that the stage has passed for this content."""
    now = datetime.now().astimezone().strftime("%H:%M")
    text = json.dumps({"key": key, "at": now, "result": result})
    files.write(folder / f"{stage}.json", text)


def holds(stage: str, key: str, folder: Path = FOLDER) -> bool:
    """Whether the stage has passed for this content."""
    return _kept(stage, key, folder) is not None


def forget(stage: str, folder: Path = FOLDER) -> None:
    """Makes the next ``once`` run again."""
    (folder / f"{stage}.json").unlink(missing_ok=True)


def _kept(stage: str, key: str, folder: Path) -> dict[str, str] | None:
    kept = files.read_json(folder / f"{stage}.json")
    return kept if kept and kept["key"] == key else None
