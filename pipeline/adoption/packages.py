"""The list of an application's packages: which file it is, and why another cannot be locked."""

import codecs
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from pipeline.core.errors import PipelineError

#: Of the image, and the oldest that the locks must serve.
PYTHON = "3.11"
#: What markers see in the image (https://packaging.python.org/en/latest/specifications/dependency-specifiers/).
IMAGE = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
LISTS = (
    "requirements.txt",
    "requirements/prod.txt",
    "requirements/production.txt",
    "requirements/base.txt",
    "requirements/common.txt",
)
#: Extras that no image needs.
DEVELOPMENT = re.compile("dev|test|doc|lint|typ")
#: Locks of other tools, with what writes them as a list that is read.
EXPORTS = {
    "uv.lock": "uv export --no-dev --no-emit-project --no-hashes",
    "poetry.lock": "poetry self add poetry-plugin-export && poetry export --without-hashes",
    "pdm.lock": "pdm export --prod --without-hashes",
}
#: What has no hash in a package index.
UNLOCKABLE = re.compile(
    r"^\s*((?:-e|--editable)[ =]*\S+|\.{1,2}(?:/\S*)?(?=\s|$)|[^#\n]*?(?:(?:git|hg|svn|bzr)\+|file:)\S+)",
    re.M,
)


def declared(folder: Path) -> tuple[Path, set[str]]:
    """The file that declares the packages, and their canonical names; a lock beside ``pyproject.toml`` declares none.

    Raises PipelineError where nothing lists packages, or what does cannot be locked for the image's Python.
    """
    pyproject = folder / "pyproject.toml"
    tables = _tables(pyproject)
    project, tools = tables.get("project", {}), tables.get("tool", {})
    _require_python(tables)
    for name in ("requirements.in", *LISTS):
        if (folder / name).is_file():
            content = _declarations(folder / name)
            if "dependencies" in project and re.search(r"--hash=|^(-e )?\.", content, re.M):
                continue
            return folder / name, _names(name, content)
    if "dependencies" in project:
        names = _names(pyproject.name, "\n".join(project["dependencies"]))
        for name, source in tools.get("uv", {}).get("sources", {}).items():
            if canonicalize_name(name) in names and re.search(r"'(path|git|url|work)", str(source)):
                _refuse(pyproject.name, f"{name} in tool.uv.sources")
        return pyproject, names
    for name, owner, command in (
        ("Pipfile", "Pipfile", "pipenv requirements"),
        (
            "pyproject.toml",
            "pyproject.toml without project.dependencies",
            EXPORTS["poetry.lock"] if "poetry" in tools else "pip freeze --exclude-editable",
        ),
    ):
        # Beside several applications pyproject.toml may hold settings of tools alone.
        tooling = name == "pyproject.toml" and not ("project" in tables or "poetry" in tools)
        if (folder / name).is_file() and not (tooling and _below(folder)):
            raise PipelineError(
                f"a {owner} cannot be locked with hashes here",
                next_step=f"list the packages: {command} > requirements.txt, commit it, and adopt again",
            )
    if below := _below(folder):
        raise PipelineError(
            f"the application lists no packages; {', '.join(below)} below it does",
            next_step=f"name that folder of a clone: ./inv adopt CLONE/{below[0]}",
        )
    raise PipelineError(
        "the application lists no packages",
        next_step="add requirements.txt or pyproject.toml with a [project] table, and adopt again",
    )


def unread(folder: Path) -> Iterator[str]:
    """A line for each thing beside the dependencies in ``pyproject.toml`` that no lock is made of."""
    extras = _tables(folder / "pyproject.toml")["project"].get("optional-dependencies", {})
    for name in sorted(name for name in extras if not DEVELOPMENT.match(name)):
        yield f"pyproject.toml's extra {name} is left out: name in dependencies what runs of {', '.join(extras[name])}"
    for name, command in EXPORTS.items():
        if (folder / name).is_file():
            yield f"{name} is not read, versions may be others: to keep them, commit {command} > requirements.txt"


def _below(folder: Path) -> list[str]:
    """Folders below that have a list of packages, such as the backend beside a frontend."""
    names = ("requirements.in", *LISTS, "pyproject.toml", "Pipfile")
    places = [*folder.glob("*/"), *folder.glob("*/*/")]
    found = [place for place in places if any((place / name).is_file() for name in names)]
    return sorted(str(place.relative_to(folder)) for place in found)


def text(path: Path) -> str:
    """A list's text; with a byte order mark it is UTF-8 or, as PowerShell's ``>`` writes it, UTF-16."""
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", "replace").replace("\r\n", "\n")


def requirements(content: str) -> list[Requirement]:
    """The packages of a list, without its options, comments and hashes; raises InvalidRequirement."""
    lines = content.replace("\\\n", " ").splitlines()
    found = (re.sub(r"(^|\s)(#|--?\w).*", "", line).strip() for line in lines)
    return [Requirement(line) for line in found if line]


def _tables(pyproject: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text(pyproject)) if pyproject.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise PipelineError(
            f"pyproject.toml is not TOML: {error}", next_step="correct it, and adopt again"
        ) from error


def _require_python(tables: dict[str, Any]) -> None:
    """Raises PipelineError where the project, or Poetry's table in its own notation, excludes the image's Python."""
    poetry = tables.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python", "*")
    wanted = tables.get("project", {}).get("requires-python") or _standard(poetry)
    try:
        admitted = any(PYTHON in SpecifierSet(each) for each in wanted.split("||"))
    except InvalidSpecifier as error:
        raise PipelineError(
            f"pyproject.toml names no versions of Python: {error}",
            next_step="write requires-python as >=3.11, and adopt again",
        ) from error
    if not admitted:
        raise PipelineError(
            f"the application wants Python {wanted}, and the image has {PYTHON}",
            next_step="let pyproject.toml admit it where the code does, and adopt again",
        )


def _standard(poetry: str) -> str:
    """Poetry's notation of versions as the standard has it: ``^3.10``, ``~3.11``, ``3.11.*`` and ``*``."""
    carets = re.sub(r"\^\s*(\d+)([\d.]*)", lambda m: f">={m[1]}{m[2]},<{int(m[1]) + 1}", poetry)
    tildes = re.sub(r"(?<![~=<>!])~\s*(\d+\.\d+)[\d.]*", r"==\1.*", carets)
    exact = re.sub(r"(^|[,|])\s*(\d[\d.]*\d(?:\.\*)?)", r"\1==\2", tildes).strip()
    return "" if exact == "*" else exact


def _declarations(path: Path, above: tuple[Path, ...] = ()) -> str:
    """A list of packages with those that it includes."""
    if not path.is_file():
        raise PipelineError(
            f"the list of packages includes {path.name}, which is not there",
            next_step="commit that file or remove the line, and adopt again",
        )
    own, chain = text(path), (*above, path.resolve())
    included = re.findall(r"^\s*(?:-r|--requirement)[ =]*(\S+)", own, re.M)
    below = [path.parent / name for name in included]
    if circular := [each.name for each in below if each.resolve() in chain]:
        raise PipelineError(
            f"the list of packages includes {circular[0]} in a circle",
            next_step=f"remove that line from {path.name}, and adopt again",
        )
    return "\n".join([own, *(_declarations(each, chain) for each in below)])


def _refuse(name: str, package: str) -> NoReturn:
    own = re.search(r"(^|[ =])\.(\[.*\])?$", package)
    raise PipelineError(
        f"{name} names {package}, which has no hash in a package index",
        next_step="name the packages of setup.py or setup.cfg there instead; then adopt again"
        if own
        else "name a release of it, or put its code beside the application's; then adopt again",
    )


def _names(name: str, content: str) -> set[str]:
    """The packages that the image gets; raises PipelineError where one can have no hash, or there is none."""
    if match := UNLOCKABLE.search(content):
        _refuse(name, match[1])
    try:
        packages = requirements(content)
    except InvalidRequirement as error:
        raise PipelineError(
            f"{name} cannot be read: {' '.join(str(error).split())}",
            next_step="correct that line, and adopt again",
        ) from error
    used: set[str] = {
        canonicalize_name(each.name)
        for each in packages
        if not each.marker or each.marker.evaluate(IMAGE)
    }
    if packages and not used:
        raise PipelineError(
            f"{name} names no package for Python {PYTHON}, which the image has",
            next_step="let the lines' markers admit it where the code does, and adopt again",
        )
    return used
