"""Figures of main for the comparison in a pull request: the workflow of a merge keeps them."""

import json
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.paths import LOCAL
from pipeline.git import repository as git
from pipeline.github import actions

FOLDER = LOCAL / "figures"


def keep(stage: str, figures: dict[str, Any], folder: Path = FOLDER) -> None:
    """Keeps a stage's figures with the commit that they are of; does nothing outside a workflow."""
    if not actions.running():
        return
    files.write(folder / f"{stage}.json", json.dumps({"commit": git.revision(), **figures}) + "\n")


def before(stage: str, *fields: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """A stage's figures on main, with their ``commit`` and these fields; None where they are not known."""
    return files.read_json(folder / f"{stage}.json", {"commit", *fields})
