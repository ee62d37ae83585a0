"""Secrets are looked for in every commit; a history that is cut off is not called clean."""

import subprocess
from pathlib import Path

import pytest

from pipeline.scanners import findings, gitleaks

#: Put together here, so that this file is no finding itself.
KEY = "AKIA" + "QYLPMN5HFIQR7XYA"


def git(folder: Path, *arguments: str | Path) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit has a key that its second one removes."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for text in (f"aws_access_key_id = {KEY}\n", "nothing here\n"):
        (folder / "README.md").write_text(text, encoding="utf-8")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "Change the README")
    return folder


def test_a_removed_secret_is_found_in_the_history(repository: Path) -> None:
    [tree] = gitleaks.scan_tree(repository)
    [history] = gitleaks.scan_history(repository)
    assert tree.state == findings.PASSED
    assert history.state == findings.FOUND
    assert history.looked_at == "2 commits"


def test_a_secret_of_another_branch_stops_nobody_until_it_is_merged(repository: Path) -> None:
    git(repository, "checkout", "-q", "--orphan", "clean")
    git(repository, "commit", "-q", "-m", "Begin anew")
    [alone] = gitleaks.scan_history(repository)
    assert (alone.state, alone.looked_at) == (findings.PASSED, "1 commits")
    git(repository, "merge", "-q", "--no-ff", "--allow-unrelated-histories", "-s", "ours", "main")
    [merged] = gitleaks.scan_history(repository)
    assert (merged.state, merged.looked_at) == (findings.FOUND, "4 commits")


def test_a_shallow_history_is_not_called_clean(repository: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", shallow)
    [history] = gitleaks.scan_history(shallow)
    assert history.state == findings.NOT_CHECKED
    assert "shallow" in history.note


def test_an_edit_is_looked_at_again_and_the_history_only_with_a_new_commit(
    repository: Path,
) -> None:
    def keys() -> tuple[str, str]:
        return gitleaks.tree_key(repository), gitleaks.history_key(repository)

    tree, history = keys()
    (repository / "README.md").write_text(f"aws_access_key_id = {KEY}\n", encoding="utf-8")
    edited, same = keys()
    assert edited != tree
    assert same == history
    git(repository, "commit", "-q", "-a", "-m", "Put it back")
    _, longer = keys()
    assert longer != history
    git(repository, "branch", "other", "HEAD~1")
    assert keys()[1] == longer
