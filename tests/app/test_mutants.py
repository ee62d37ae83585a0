"""Breaks the application on purpose, one place at a time: the tests must notice each."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Test file, file, what stands there (once), what a mistake would make of it.
MUTANTS = [
    ("claims", "views/guest.py", "Dish.taken + more <= Dish.wanted", "Dish.taken + more <= Dish.wanted + 1"),
    ("claims", "views/guest.py", "Dish.taken + more <= Dish.wanted", "Dish.taken + more < Dish.wanted"),
    ("claims", "views/guest.py", "portions - (held.portions if held else 0)", "portions"),
    ("claims", "views/guest.py", "if more == 0:", "if False:"),
    ("claims", "views/guest.py", "values(taken=Dish.taken + more)", "values(taken=Dish.taken - more)"),
    ("claims", "views/guest.py", "(dish.own_guest_id and portions)", "False"),
    ("claims", "views/guest.py", 'if event.rsvps_open else "closed"', 'if True else "closed"'),
    ("claims", "gatherings.py", "model.gathering_id == gathering.id, *conditions", "*conditions"),
    ("claims", "gatherings.py", "Dish.taken - claim.portions", "Dish.taken - 1 + claim.portions * 0"),
    ("claims", "gatherings.py", "gathering.revision += 1", "gathering.revision += 0"),
    ("claims", "models.py", "sha256(token.encode", "sha256(token[:4].encode"),
    ("faults", "gatherings.py", "if session().scalar(rows.where(type(row).id == row.id)):", "if False:"),
    ("faults", "views/organiser.py", "changes and form.edit_version.data !=", "form.edit_version.data !="),
    ("faults", "views/organiser.py", "if event.guest_link_form != fingerprint:", "if True:"),
    ("faults", "views/organiser.py", 'not in ("", dish.edit_version)', "in ()"),
    ("faults", "security.py", "get_signature(repr((request.path, fields)))", "get_signature(secrets.token_hex(32))"),
    ("faults", "security.py", 'salt=f"{purpose} {visitor()}"', "salt=purpose"),
    ("faults", "models.py", "MIN_ID + secrets.randbelow(MAX_ID - MIN_ID)", "7"),
    ("pages", "views/organiser.py", "LINK = Gathering.organiser_digest", "LINK = Gathering.guest_digest"),
    ("pages", "pages.py", "html.replace(g.form_key, security.visitor())", 'html.replace(g.form_key, "")'),
]  # fmt: skip


@pytest.mark.engine
@pytest.mark.parametrize(
    ("tests", "file", "old", "new"), MUTANTS, ids=[f"{m[1]}-{n}" for n, m in enumerate(MUTANTS)]
)
def test_a_mistake_is_noticed(tmp_path: Path, tests: str, file: str, old: str, new: str) -> None:
    copy = tmp_path / "copy"
    for folder in ("app", "pipeline", "tests/app", "tests/acceptance"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    source = copy / "app" / "thanksgiving" / file
    content = source.read_text()
    assert content.count(old) == 1, "the mutant no longer fits the code: adapt it"
    source.write_text(content.replace(old, new))
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not engine",
    ]
    done = subprocess.run(
        [*argv, f"tests/app/test_{tests}.py"], cwd=copy, capture_output=True, text=True, check=False, timeout=300
    )  # fmt: skip
    assert done.returncode == 1, f"nobody noticed:\n{old}\n{new}\n{done.stdout[-2000:]}"
