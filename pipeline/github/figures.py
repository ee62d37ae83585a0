"""Figures of main that a pull request is compared with: the workflow of a merge keeps them, a pull request's restores
them. Elsewhere there are none."""

import json
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.paths import LOCAL
from pipeline.git import repository as git
from pipeline.github import actions as github

FOLDER = LOCAL / "figures"


def keep(stage: str, figures: dict[str, Any], folder: Path = FOLDER) -> None:
    """Keeps a stage's figures with the commit that they are of; does nothing outside a workflow."""
    if not github.running():
        return
    text = json.dumps({"commit": git.revision(), **figures}, indent=1)
    files.write(folder / f"{stage}.json", f"{text}\n")


def before(stage: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """A stage's figures on main, with their ``commit``; None where they are not known."""
    return files.read_json(folder / f"{stage}.json")
