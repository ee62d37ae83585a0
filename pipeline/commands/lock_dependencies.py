"""Locks the Python packages: each requirements file with the hashes of all its packages, for all platforms.
``python -m pipeline.commands.lock_dependencies`` compares the locks with their sources."""

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pipeline.adoption import packages
from pipeline.adoption.packages import PYTHON
from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import LOCAL, ROOT, log_file
from pipeline.releases.project import project

#: The environment of the tasks includes the packages of an application that it checks, in the application's versions.
LOCKS = {
    "requirements/pipeline.in": "requirements/pipeline.txt",
    "requirements/uv.in": "requirements/uv.txt",
    "localaws/pyproject.toml": "requirements/localaws.txt",
    "requirements/checkov.in": "requirements/checkov.txt",
    "requirements/zensical.in": "requirements/zensical.txt",
    "requirements/screenshots.in": "requirements/screenshots.txt",
}
#: A package in a lock: its name, its version, and hashes and origins below it.
ENTRY = re.compile(r"^([\w.-]+)(?:\[.*?\])?==([^\s;\\]+)(.*(?:\n    .*)*)", re.MULTILINE)
#: Systems and versions of Python that markers tell apart, from the image's on.
SYSTEMS: tuple[dict[str, str], ...] = (
    {},
    {"sys_platform": "darwin", "platform_system": "Darwin"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
)
PYTHONS = tuple(
    {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"}
    for minor in range(int(PYTHON.partition(".")[2]), 20)
)
#: The application's lock, and the platform of its image: Debian 12 has glibc 2.36.
TARGET = "app/requirements.txt"
PLATFORM = "x86_64-manylinux_2_36"
#: Where the application names its packages, the first one that is there.
APPLICATION = ("app/requirements.in", "app/pyproject.toml")


def run(*, upgrade: bool) -> Result:
    uv = shutil.which("uv") or LOCAL / "uv" / "bin" / "uv"
    for target, (sources, options) in _locks().items():
        usual = ["--generate-hashes", "--no-header", "--python-version", PYTHON, *options]
        commands: list[list[str | Path]] = [
            [*sources, "-o", target, "--universal", *usual, *(["--upgrade"] if upgrade else [])]
        ]
        if target == TARGET:
            # For all platforms a package passes that has wheels for another one alone.
            commands.append([target, "--no-deps", "--python-platform", PLATFORM, *usual])
        for number, arguments in enumerate(commands):
            try:
                with console.progress(target) as step:
                    process.run(
                        [uv, "pip", "compile", *arguments],
                        log=log_file(f"lock-{Path(target).stem}"),
                        cwd=ROOT,
                        env={**os.environ, "UV_NO_PROGRESS": "1"},
                        on_line=step.update,
                        append=number > 0,
                    )
            except CommandFailedError as error:
                reason = _reason(error.tail)
                raise PipelineError(
                    f"{target} cannot be locked: {reason or error.cause}",
                    next_step=_next_step(reason),
                    log=error.log,
                ) from error
    return Result(f"{len(_locks())} locks written")


def _reason(tail: Sequence[str]) -> str:
    """What uv gives as the cause of its failure, in one line; empty where it gives none."""
    cause = "\n".join(tail).partition("cause:")[2].partition("\n\n")[0]
    return " ".join(cause.split()).rstrip(".")


def _next_step(reason: str) -> str:
    """The way out of what uv gives as its cause."""
    if "wheels" in reason:
        return (
            f"change the list to a package with wheels for {PLATFORM}, such as psycopg2-binary for psycopg2; "
            "docs/adopt.md has the way for a package without a wheel"
        )
    if re.search(r"sending request|client error|HTTP status", reason):
        return "see that the package index can be reached, then run it again"
    return "change the list"


def stale() -> list[str]:
    """A line for each package that a lock has otherwise than its source wants it: added, removed, another version."""
    findings = []
    for target, (sources, _) in _locks().items():
        entries = ENTRY.findall((ROOT / target).read_text(encoding="utf-8"))
        versions: dict[str, list[str]] = {}
        for name, version, _ in entries:
            versions.setdefault(canonicalize_name(name), []).append(version)
        for source in sources:
            wanted: dict[str, list[SpecifierSet]] = {}
            for each in filter(_is_locked, _declared(source)):
                wanted.setdefault(canonicalize_name(each.name), []).append(each.specifier)
            via = re.compile(rf"(-r |\(){re.escape(source)}\)?$", re.MULTILINE)
            locked = {canonicalize_name(name) for name, _, why in entries if via.search(why)}
            names = {
                name
                for name in wanted.keys() & locked
                for version in versions[name]
                if not any(version in specifier for specifier in wanted[name])
            }
            for name in sorted(names | (wanted.keys() ^ locked)):
                asked = " or ".join(f"{name}{each}" for each in wanted.get(name, ()))
                asked = f"wants {asked}" if asked else f"names no {name}"
                findings.append(f"{source} {asked}, unlike {target}: run ./inv lock-dependencies")
    return findings


def _locks() -> dict[str, tuple[list[str], list[str]]]:
    """Each lock with its sources, and uv's options beside the usual ones."""
    declared = next(path for path in APPLICATION if (ROOT / path).is_file())
    # The image takes wheels alone, so that no code of a package runs at a build.
    locks = {TARGET: ([declared, "server/requirements.in"], ["--only-binary=:all:"])}
    for source, target in LOCKS.items():
        own = target == "requirements/pipeline.txt" and project().checked
        constraint = ["--constraint", TARGET] if own else []
        locks[target] = ([source, *([APPLICATION[0]] if own else [])], constraint)
    return locks


def _declared(source: str) -> list[Requirement]:
    text = packages.text(ROOT / source)
    if source.endswith(".toml"):
        text = "\n".join(tomllib.loads(text)["project"]["dependencies"])
    return packages.requirements(text)


def _is_locked(requirement: Requirement) -> bool:
    """Whether a Python that the locks serve takes it: uv leaves out what is for older ones alone."""
    marker = requirement.marker
    return not marker or any(
        marker.evaluate(packages.IMAGE | system | python)
        for system in SYSTEMS
        for python in PYTHONS
    )


if __name__ == "__main__":
    sys.exit("\n".join(stale()) or 0)
