"""Git commands of the pipeline in repositories of their own, never in the one that the user's environment names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import affected as affected_command
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import affected


def make(folder: Path) -> Path:
    """A repository with one commit of one file."""
    git.run("init", "--quiet", "--initial-branch=main", folder, root=folder.parent)
    (folder / "kept.txt").write_text(f"{folder.name}\n", encoding="utf-8")
    commit = git.commit_files(
        {"kept.txt": f"{folder.name}\n"}, parent=start(folder), message="x", root=folder
    )
    git.run("reset", "--quiet", "--hard", commit, root=folder)
    return folder


def start(folder: Path) -> str:
    tree = git.run("write-tree", root=folder).strip()
    return git.run("commit-tree", tree, "-m", "Start", root=folder, env=git.IDENTITY).strip()


@pytest.fixture
def hook(tmp_path: Path) -> dict[str, str]:
    """The variables that Git sets for a hook in a linked worktree of the user's repository."""
    users = make(tmp_path / "users")
    git.run("worktree", "add", "--quiet", tmp_path / "linked", root=users)
    script = "#!/bin/sh\nenv | grep ^GIT_\nexit 1\n"
    (users / ".git" / "hooks" / "pre-commit").write_text(script, encoding="utf-8")
    (users / ".git" / "hooks" / "pre-commit").chmod(0o755)
    shown = subprocess.run(
        ["git", "commit", "--allow-empty", "-m", "x"],
        cwd=tmp_path / "linked",
        env=git.environment() | git.IDENTITY,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (shown.stdout + shown.stderr).splitlines()
    variables = dict(line.split("=", 1) for line in lines if line.startswith("GIT_"))
    assert {"GIT_DIR", "GIT_INDEX_FILE"} <= set(variables)
    return variables


CHECKOV = "tests/pipeline/test_checkov.py"


def state(repository: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()
    }


def test_a_hooks_variables_lead_no_command_to_the_users_repository(
    hook: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(tmp_path / "other")
    (other / "new.txt").write_text("new\n", encoding="utf-8")
    before = state(tmp_path / "users")
    for name, value in hook.items():
        monkeypatch.setenv(name, value)
    assert [path.name for path in git.files(root=other)] == ["kept.txt", "new.txt"]
    commit = git.snapshot("The work tree", root=other)
    assert git.show(commit, "kept.txt", root=other) == "other\n"
    assert git.run("log", "-1", "--format=%an", commit, root=other) == f"{git.PIPELINE[0]}\n"
    assert state(tmp_path / "users") == before


def test_tests_that_a_hook_runs_leave_its_repository_alone(
    hook: dict[str, str], tmp_path: Path
) -> None:
    before = state(tmp_path / "users")
    options = ["-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "tests")]
    makes_repositories = "test_it_is_what_git_would_take_wherever_the_checkout_lies"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"{CHECKOV}::{makes_repositories}"],
        cwd=ROOT,
        env=os.environ | hook,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert state(tmp_path / "users") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to somebody else")
def test_a_clone_of_another_owner_is_refused_with_the_command(tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    for path in (other, other / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(PipelineError, match=f"git config --global --add safe.directory {other}"):
        git.files(root=other)


def test_scripts_keep_their_line_ends(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    for name in ("inv", ".gitattributes"):
        (whole / name).write_bytes((ROOT / name).read_bytes())
    commit = git.snapshot("Add a script", root=whole)
    git.run("reset", "--quiet", "--hard", commit, root=whole)
    windows = tmp_path / "windows"
    git.run("clone", "--quiet", "--config=core.autocrlf=true", whole, windows, root=tmp_path)
    assert (windows / "inv").read_bytes() == (ROOT / "inv").read_bytes()


@pytest.mark.parametrize("depth", ["--depth=1", "--depth=2"])
def test_a_history_that_ends_is_an_ordinary_one(tmp_path: Path, depth: str) -> None:
    whole = make(tmp_path / "whole")
    shallow = tmp_path / "shallow"
    git.run("clone", "--quiet", depth, f"file://{whole}", shallow, root=tmp_path)
    ends = depth == "--depth=1"
    assert git.changed_since("HEAD^1", root=shallow) == (None if ends else ["kept.txt"])
    assert git.before_head(root=shallow) == git.resolve("HEAD" if ends else "HEAD^1", root=shallow)


def test_all_stages_are_affected_where_the_change_is_not_known() -> None:
    stages = affected_command.run("of-no-history").outputs["stages"]
    assert json.loads(stages) == list(affected.STAGES)


def test_a_clone_without_the_remote_says_so(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(PipelineError, match="this clone has no remote 'origin'"):
        git.fetch("main", root=tmp_path)
