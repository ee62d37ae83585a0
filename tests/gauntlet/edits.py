"""What a change of the gauntlet is, and the edits that changes are made of."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Change:
    """One change.

    ``gate`` is the stage that must stop it (empty for a good change), ``says`` what its message must name; with
    ``engine`` the gate needs Docker or the local AWS. ``of`` are the bad changes whose edit a good one does right.
    """

    name: str
    gate: str
    says: tuple[str, ...]
    edit: Edit
    engine: bool = False
    of: tuple[str, ...] = ()


def replace(file: str, old: str, new: str) -> Edit:
    """Replaces a text that must be there."""

    def edit(root: Path) -> None:
        path = root / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is no longer in {file}: the change would change nothing"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def set_line(file: str, key: str, *choices: str) -> Edit:
    """Puts the first of some lines that differs in the place of the one with a key: releases and people change it."""

    def edit(root: Path) -> None:
        path = root / file
        text = path.read_text(encoding="utf-8")
        found = re.search(rf"^ *{key}: .*$", text, re.M)
        assert found, f"{key} is no longer in {file}: the change would change nothing"
        line = next(choice for choice in choices if choice != found[0])
        path.write_text(text[: found.start()] + line + text[found.end() :], encoding="utf-8")

    return edit


def append(file: str, text: str) -> Edit:
    """Adds lines at the end of a file, or makes it."""

    def edit(root: Path) -> None:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as sink:
            body = textwrap.dedent(text)
            between = "\n" if sink.tell() else ""
            sink.write(body if body == text else between + body.lstrip("\n"))

    return edit


def both(*edits: Edit) -> Edit:
    """Several edits as one change."""

    def edit(root: Path) -> None:
        for one in edits:
            one(root)

    return edit


def resource(module: str, text: str) -> Edit:
    """Adds a resource to a Terraform module, and to the module's page."""

    def page(root: Path) -> None:
        argv = [sys.executable, "-m", "pipeline.terraform.module_readme"]
        subprocess.run(argv, cwd=root, check=True, timeout=60)

    return both(append(f"infra/terraform/modules/{module}/main.tf", text), page)


def role_policy(action: str, on: str) -> Edit:
    """Gives the tasks' role one right more."""
    return resource(
        "task-roles",
        f"""

        data "aws_iam_policy_document" "added" {{
          statement {{
            actions   = ["{action}"]
            resources = ["{on}"]
          }}
        }}

        resource "aws_iam_role_policy" "added" {{
          role   = aws_iam_role.task.id
          policy = data.aws_iam_policy_document.added.json
        }}
        """,
    )
