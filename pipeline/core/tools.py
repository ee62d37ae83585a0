"""Finds or fetches the external tools of ``tools/tools.yaml``, each in a pinned and verified version."""

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
from packaging.specifiers import SpecifierSet

from pipeline.core import console, files, locks, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import CACHE, LOCAL, ROOT, VENV_BIN, log_file

CATALOGUE = ROOT / "tools" / "tools.yaml"
DOWNLOAD_SECONDS = 300
#: Releases and what `go install` makes, one folder a version.
TOOLS = CACHE / "tools"
LOCKS = CACHE / "locks"


@dataclass(frozen=True)
class Tool:
    """One entry of the catalogue; its first comment says what ``source`` (``from``) and the other fields mean."""

    name: str
    purpose: str
    source: str
    wanted: str = ""
    pinned: str = ""
    version_command: Sequence[str] = ()
    also: Sequence[str] = ()
    missing: str = ""
    url: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    platforms: Mapping[str, str] = field(default_factory=dict)
    module: str = ""

    @property
    def cached(self) -> Path:
        """Where the pinned version is kept."""
        return TOOLS / f"{self.name}-{self.pinned}" / self.name


@cache
def catalogue() -> dict[str, Tool]:
    """All tools by name, in the order of the file."""
    entries = files.read_yaml(CATALOGUE)["tools"]
    return {
        name: Tool(name=name, source=entry.pop("from"), **entry) for name, entry in entries.items()
    }


@cache
def tool(name: str) -> Path:
    """The path of a tool that fits, obtained now if it is missing; raises PipelineError where it cannot be had."""
    entry = catalogue()[name]
    found = find(entry)
    return found[0] if found else _obtain(entry)


def find(entry: Tool) -> tuple[Path, str] | None:
    """Path and version of the tool as it is on this machine now, or None; fetches nothing."""
    if entry.source in ("venv", "own-venv"):
        folder = VENV_BIN if entry.source == "venv" else _own_environment(entry.name) / "bin"
        path = folder / entry.name
        return (path, "locked") if path.is_file() else None
    for candidate in (shutil.which(entry.name), *entry.also) if entry.version_command else ():
        version = _version(entry, candidate) if candidate else None
        if candidate and version and version in SpecifierSet(entry.wanted):
            return Path(candidate), version
    return (entry.cached, entry.pinned) if entry.pinned and entry.cached.is_file() else None


def python_environment(name: str) -> Path:
    """The folder of an environment for tools whose pins would bind ours, made anew with ``requirements/<name>.txt``."""
    argv: list[str | Path] = ["sh", ROOT / "tools" / "environment.sh", ROOT, name]
    try:
        with locks.exclusive(f"environment-{name}", wait=True):
            process.run(argv, log=log_file(f"environment-{name}-made"), on_line=console.info)
    except CommandFailedError as error:
        raise PipelineError(
            f"the Python environment of {name} could not be made",
            next_step="read the log; check the network and free disk space",
            log=log_file(f"environment-{name}"),
        ) from error
    return _own_environment(name)


def platform() -> str:
    """This machine as the makers of tools name it, such as ``linux_amd64``."""
    system, machine = os.uname().sysname.lower(), os.uname().machine
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return f"{system}_{names.get(machine, machine)}"


def _own_environment(name: str) -> Path:
    return LOCAL / "environments-python" / name


def _obtain(entry: Tool) -> Path:
    if entry.source == "own-venv":
        return python_environment(entry.name) / "bin" / entry.name
    if entry.source in ("venv", "path"):
        raise PipelineError(
            f"{entry.name} {entry.wanted} was not found",
            next_step=entry.missing or "remove .local/venv and run ./inv again",
        )
    with locks.exclusive(f"tool-{entry.name}", LOCKS, wait=True):
        if not entry.cached.is_file():
            _fetch(entry)
    return entry.cached


def _fetch(entry: Tool) -> None:
    """The checked release; where it cannot be fetched, the same version from source if that is a way."""
    release = None
    try:
        release = _release(entry) if entry.url else None
    except PipelineError as error:
        if not entry.module or not shutil.which("go"):
            raise
        console.info(f"  {error.cause}: building it from source")
    if release:
        files.write(entry.cached, _program(entry, release), mode=0o755)
    else:
        _build(entry)


def _release(entry: Tool) -> bytes:
    """The archive of the release for this platform."""
    here = platform()
    if here not in entry.sha256:
        raise PipelineError(
            f"no {entry.name} release is named for {here}",
            next_step=f"install {entry.name} {entry.wanted} yourself, on PATH",
        )
    # A few projects name a platform in their own way.
    url = entry.url.format(pinned=entry.pinned, platform=entry.platforms.get(here, here))
    with console.progress(f"{entry.name} {entry.pinned} from its release"):
        try:
            response = httpx.get(url, follow_redirects=True, timeout=DOWNLOAD_SECONDS)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise PipelineError(
                f"{entry.name} could not be fetched ({error})",
                next_step=f"install {entry.name} {entry.wanted} on PATH, or check the network",
            ) from error
    return response.content


def _program(entry: Tool, archive: bytes) -> bytes:
    """The program in an archive (zip or tar.gz), whose checksum must be the pinned one."""
    checksum = hashlib.sha256(archive).hexdigest()
    if checksum != entry.sha256[platform()]:
        raise PipelineError(
            f"the {entry.name} release has the checksum {checksum}, which is not the pinned one",
            next_step="do not use it; check the network and tools/tools.yaml",
        )
    if entry.url.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
            return bundle.read(entry.name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        program = tar.extractfile(entry.name)
        return program.read() if program else b""


def _build(entry: Tool) -> None:
    if not shutil.which("go"):
        raise PipelineError(
            f"{entry.name} is built from its Go module, and go was not found",
            next_step=f"install Go 1.24 or newer, or {entry.name} itself",
        )
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=TOOLS) as folder,
        console.progress(f"{entry.name} {entry.pinned} from source") as step,
    ):
        process.run(
            [
                *("go", "install", "-v", "-trimpath", "-ldflags=-s -w"),
                f"{entry.module}@v{entry.pinned}",
            ],
            log=log_file(f"tool-{entry.name}"),
            env={**os.environ, "GOBIN": folder, "GOFLAGS": "-mod=mod"},
            on_line=step.update,
        )
        (program,) = Path(folder).iterdir()  # named after the module's last part
        entry.cached.parent.mkdir(exist_ok=True)
        program.replace(entry.cached)


def _version(entry: Tool, path: str) -> str | None:
    # Arguments for plans are none for `terraform version`; a CLI configuration that does not exist makes it warn.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    try:
        text = process.capture([path, *entry.version_command[1:]], env=clean)
    except PipelineError:
        return None
    match = re.search(r"\d+\.\d+(\.\d+)?", text)
    return match.group() if match else None
