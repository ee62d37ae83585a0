"""Remembers which contents a stage has passed for, so that this machine does not check them twice."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.core import files
from pipeline.core.paths import LOCAL

FOLDER = LOCAL / "passed"
#: Contents remembered for a stage: those of an edit that is undone, or of a branch that is left and taken up again.
KEPT = 10
FIELDS = {"at", "result"}


def once(stage: str, key: str, body: Callable[[], str], folder: Path = FOLDER) -> str:
    """The result of ``body``, or the remembered one with its time where the stage has passed for this content.

    ``key`` changes whenever the result could.
    """
    earlier = _passes(stage, folder).get(key)
    if earlier:
        return f"unchanged since it passed at {earlier['at']}: {earlier['result']}"
    return record(stage, key, body(), folder)


def record(stage: str, key: str, result: str, folder: Path = FOLDER) -> str:
    """Remembers that the stage has passed for this content, beside the last ones; returns ``result``."""
    passes = _passes(stage, folder)
    passes.pop(key, None)
    now = datetime.now().astimezone().strftime("%H:%M")
    latest = [*passes.items(), (key, {"at": now, "result": result})][-KEPT:]
    files.write(folder / f"{stage}.json", json.dumps(dict(latest)))
    return result


def passed(stage: str, key: str, folder: Path = FOLDER) -> str | None:
    """The result with which the stage has passed for this content, or None."""
    earlier = _passes(stage, folder).get(key)
    return earlier["result"] if earlier else None


def _passes(stage: str, folder: Path) -> dict[str, dict[str, str]]:
    """The remembered passes of a stage by the contents' keys, the latest last."""
    passes = files.read_json(folder / f"{stage}.json", ()) or {}
    return {
        key: entry
        for key, entry in passes.items()
        if isinstance(entry, dict) and entry.keys() == FIELDS
    }
