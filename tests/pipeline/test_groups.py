"""Groups of the fast tests: what decides about a group is among its inputs, and each input changes its key."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import test as command
from pipeline.core.paths import ROOT
from pipeline.git import groups
from pipeline.git import repository as git
from tests.gauntlet.runner import lend_environments

GROUPS = {group.name: group for group in groups.load()}
PARTIAL = sorted(name for name, group in GROUPS.items() if len(group.inputs) < len(git.files()))
TABLE = """
soup:
  tests: tests/soup/*
  reads: kitchen/*
list:
  tests: tests/list/*
  reads: cellar.md
  names: "*"
rest:
  tests: tests/*
  reads: "* :!kitchen/*"
"""
FILES = {
    groups.TABLE: TABLE,
    "kitchen/deep/pot.yaml": "pot",
    "cellar.md": "wine",
    "tests/soup/test_soup.py": "def test_hot(): pass\n",
    "tests/list/test_list.py": "def test_complete(): pass\n",
    "tests/test_menu.py": "def test_long(): pass\n",
    "pyproject.toml": "",
}
#: Each change of the tree, and the groups that it runs.
CHANGES = {
    "kitchen/deep/pot.yaml": {"soup"},
    "kitchen/new.yaml": {"soup", "list"},
    "cellar.md": {"list", "rest"},
    "new.md": {"list", "rest"},
    "tests/soup/test_soup.py": {"soup", "rest"},
    "tests/soup/test_new.py": {"soup", "list", "rest"},
    "tests/list/test_list.py": {"list", "rest"},
    "tests/test_menu.py": {"rest"},
    "pyproject.toml": {"soup", "list", "rest"},
    "pipeline/core/new.py": {"soup", "list", "rest"},
    groups.TABLE: {"soup", "list", "rest"},
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        _write(tmp_path / name, text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def keys(root: Path) -> dict[str, str]:
    return {group.name: group.key(root) for group in groups.load(root)}


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_runs_the_groups_that_read_it(tree: Path, path: str) -> None:
    before = keys(tree)
    file = tree / path
    _write(file, (file.read_text() if file.exists() else "") + "\n# changed\n")
    assert {name for name, key in keys(tree).items() if key != before[name]} == CHANGES[path]
    file.unlink()
    if path in FILES and path != groups.TABLE:
        without = {name for name, key in keys(tree).items() if key != before[name]}
        assert without == CHANGES[path] | {"list"}


def test_every_test_file_is_of_one_group() -> None:
    tests = [path for group in GROUPS.values() for path in group.tests]
    assert sorted(tests) == git.files("tests/*test_*.py")


def test_every_file_runs_a_group() -> None:
    assert {path for group in GROUPS.values() for path in group.inputs} == set(git.files())


@pytest.mark.long
@pytest.mark.parametrize("name", GROUPS)
def test_each_input_changes_the_key(name: str, tmp_path: Path) -> None:
    git.copy(git.files(), tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    group = {group.name: group for group in groups.load(tmp_path)}[name]
    before = group.key(tmp_path)
    unseen = []
    for path in group.inputs:
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        if group.key(tmp_path) == before:
            unseen.append(path)
        path.write_bytes(content)
    assert not unseen
    assert group.key(tmp_path) == before


@pytest.mark.long
@pytest.mark.parametrize("name", PARTIAL)
def test_a_group_passes_the_same_without_what_it_does_not_read(name: str, tmp_path: Path) -> None:
    """In a commit without the other files, and with unknown ones in their places: so children are seen as well.

    Those of which it knows the names stay, with another content.
    """
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", ROOT, copy], check=True)
    inputs, names = set(GROUPS[name].inputs), set(GROUPS[name].names)
    git.copy(git.files(), copy)
    for path in set(git.files()) - inputs:
        other = copy / path.relative_to(ROOT)
        other.unlink()
        _write(other if path in names else other.with_name(f"unknown{other.suffix}"), "\ufffd")
    lend_environments(copy)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    git.run("add", "--all", root=copy)
    git.run(*identity, "commit", "-q", "-m", "Without what a group does not read", root=copy)
    tests = [str(path.relative_to(ROOT)) for path in GROUPS[name].tests]
    argv = [sys.executable, "-m", "pytest", "-q", "-m", command.FAST, *tests]
    collected = subprocess.run(
        [*argv, "--collect-only"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    done = subprocess.run([*argv, "-n", "2"], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    count = re.search(r"^(\d+)/\d+ tests collected|^(\d+) tests collected", collected.stdout, re.M)
    figures = re.findall(r"(\d+) (?:passed|skipped)", done.stdout.splitlines()[-1])
    assert count
    assert sum(map(int, figures)) == int(count[1] or count[2])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
