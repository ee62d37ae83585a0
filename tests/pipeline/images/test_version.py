"""A version is that of what a build takes in; different content never has the same one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository
from pipeline.images import app

CLEAN = "v1.2.3"


def git(root: Path, *arguments: str) -> None:
    repository.run(*arguments, root=root, env=repository.IDENTITY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with an application, and a tag on its one commit."""
    for name in app.INPUTS:
        file = tmp_path / name / "file" if (ROOT / name).is_dir() else tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("one", encoding="utf-8")
    (tmp_path / ".dockerignore").write_text("*\n!app/\n!server/\n**/*.pyc\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("*.secret\n*.pyc\n", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "One")
    git(tmp_path, "tag", CLEAN)
    return tmp_path


def version(root: Path) -> str:
    return app.version(root).version


def overlooked(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", "app/file")
    (root / "app" / "file").write_text("two", encoding="utf-8")


def untracked(root: Path) -> None:
    git(root, "config", "status.showUntrackedFiles", "no")
    (root / "app" / "new").touch()


CHANGES: dict[str, Callable[[Path], object]] = {
    "ignored by Git": lambda root: (root / "app" / "key.secret").touch(),
    "assumed unchanged": overlooked,
    "untracked, not shown": untracked,
    "deleted": lambda root: (root / "app" / "file").unlink(),
    **{
        f"edited: {name}": lambda root, name=name: (  # type: ignore[misc]
            next(path for path in (root / name / "file", root / name) if path.is_file())
        ).write_text("other", encoding="utf-8")
        for name in app.INPUTS
        if name != ".dockerignore"
    },
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_build_takes_in_makes_another_version(root: Path, change: str) -> None:
    assert version(root) == CLEAN
    CHANGES[change](root)
    assert version(root).startswith(f"{CLEAN}-dirty-")


def test_what_no_build_takes_in_makes_none(root: Path) -> None:
    for name in ("README.md", "app/file.pyc"):
        (root / name).touch()
    assert version(root) == CLEAN


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (["v1.2.4-rc.1"], "v1.2.4-rc.1"),
        (["v1.2.4-rc.1", "v1.2.4"], "v1.2.4"),
        (["v1.2.4+hotfix.1"], "v1.2.4_hotfix.1"),
        (["v10.0.0", "v9.9.9"], "v10.0.0"),
    ],
)
def test_a_tag_becomes_a_legal_one(root: Path, tags: list[str], name: str) -> None:
    for tag in tags:
        git(root, "tag", tag)
    assert version(root) == name


@pytest.mark.parametrize("tag", ["v2/🦃", f"v2.{'0' * 150}"])
def test_a_tag_that_can_name_no_image_is_refused(root: Path, tag: str) -> None:
    git(root, "tag", tag)
    with pytest.raises(PipelineError, match="cannot name an image"):
        version(root)
