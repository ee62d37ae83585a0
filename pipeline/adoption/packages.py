"""The list of an application's packages: which file it is, and why another cannot be locked."""

import re
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

from pipeline.core.errors import PipelineError

#: Of the image, and the oldest that the locks must serve.
PYTHON = "3.11"
LISTS = ("requirements.txt", "requirements/prod.txt", "requirements/base.txt")
#: What has no hash in a package index.
UNLOCKABLE = re.compile(r"^\s*((?:-e|--editable)\s+\S+|[^#\n]*?(?:git|hg|svn|bzr)\+\S+)", re.M)


def declared(folder: Path) -> tuple[Path, str]:
    """The file that declares the packages, and what it declares; a lock beside ``pyproject.toml`` declares none."""
    pyproject = folder / "pyproject.toml"
    tables = tomllib.loads(pyproject.read_text("utf-8")) if pyproject.is_file() else {}
    project = tables.get("project", {})
    if PYTHON not in SpecifierSet(wanted := project.get("requires-python", "")):
        raise PipelineError(
            f"the application wants Python {wanted}, and the image has {PYTHON}",
            next_step="let requires-python in pyproject.toml admit it where the code does, and adopt again",
        )
    for name in ("requirements.in", *LISTS):
        if (folder / name).is_file():
            text = _declarations(folder / name)
            if "dependencies" in project and re.search(r"--hash=|^(-e )?\.", text, re.M):
                continue
            return folder / name, _lockable(name, text)
    if "dependencies" in project:
        return pyproject, _lockable(pyproject.name, "\n".join(project["dependencies"]))
    for name, owner, command in (
        ("Pipfile", "Pipfile", "pipenv requirements"),
        (
            "pyproject.toml",
            "pyproject.toml without project.dependencies",
            "poetry export --without-hashes",
        ),
    ):
        if (folder / name).is_file():
            raise PipelineError(
                f"a {owner} cannot be locked with hashes here",
                next_step=f"list the packages: {command} > requirements.txt, commit it, and adopt again",
            )
    raise PipelineError(
        "the application lists no packages",
        next_step="add requirements.txt or pyproject.toml with a [project] table, and adopt again",
    )


def _declarations(path: Path) -> str:
    """A list of packages with those that it includes."""
    text = path.read_text("utf-8")
    included = re.findall(r"^\s*(?:-r|--requirement)[ =]*(\S+)", text, re.M)
    return "\n".join([text, *(_declarations(path.parent / name) for name in included)])


def _lockable(name: str, text: str) -> str:
    """The same text; raises PipelineError where a package of it can have no hash."""
    if match := UNLOCKABLE.search(text):
        raise PipelineError(
            f"{name} names {match[1]}, which has no hash in a package index",
            next_step="name a release of it, or put its code beside the application's; then adopt again",
        )
    return text
