"""Finds or fetches the external tools of ``tools/tools.yaml``, each in a pinned and verified version."""

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

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
    """One entry of the catalogue; ``source`` is a way of obtaining it, ``settings`` has the keys that the way uses."""

    name: str
    purpose: str
    source: str
    wanted: str
    settings: dict[str, Any]


class Found(NamedTuple):
    """Where a tool is, and in which version (None when its lock decides)."""

    path: Path
    version: str | None


@cache
def catalogue() -> dict[str, Tool]:
    """All tools by name, in the order of the file."""
    entries = YAML(typ="safe").load(CATALOGUE.read_text(encoding="utf-8"))["tools"]
    return {
        name: Tool(
            name=name,
            purpose=entry["purpose"],
            source=entry["from"],
            wanted=entry.get("wanted", entry.get("pinned", "as locked")),
            settings=entry,
        )
        for name, entry in entries.items()
    }


@cache
def tool(name: str) -> Path:
    """The path of a tool that fits, obtained now if it is missing; raises PipelineError where it cannot be had."""
    entry = catalogue()[name]
    found = find(entry)
    return found.path if found else _obtain(entry)


def find(entry: Tool) -> Found | None:
    """The tool as it is on this machine now, or None; fetches nothing."""
    if entry.source in ("venv", "own-venv"):
        folder = VENV_BIN if entry.source == "venv" else _own_environment(entry.name) / "bin"
        path = folder / entry.name
        return Found(path, None) if path.is_file() else None
    if on_path := _on_path(entry):
        return on_path
    if "pinned" in entry.settings and _cached(entry).is_file():
        return Found(_cached(entry), entry.settings["pinned"])
    return None


def python_environment(name: str) -> Path:
    """The folder of an environment for tools whose pins would bind ours, made anew with ``requirements/<name>.txt``.

    Raises:
        PipelineError: It could not be made; the log is named.
    """
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


def _own_environment(name: str) -> Path:
    return LOCAL / "environments-python" / name


def _on_path(entry: Tool) -> Found | None:
    if "version_command" not in entry.settings:
        return None  # one that is built is not looked for
    for candidate in [shutil.which(entry.name), *entry.settings.get("also", [])]:
        version = _version(entry, Path(candidate)) if candidate else None
        if candidate and version and version in SpecifierSet(entry.wanted):
            return Found(Path(candidate), version)
    return None


def _cached(entry: Tool) -> Path:
    return TOOLS / f"{entry.name}-{entry.settings['pinned']}" / entry.name


def _obtain(entry: Tool) -> Path:
    if entry.source == "venv":
        raise PipelineError(
            f"{entry.name} is not in the locked environment",
            next_step="remove .local/venv and run ./inv again",
        )
    if entry.source == "own-venv":
        return python_environment(entry.name) / "bin" / entry.name
    if entry.source == "path":
        raise PipelineError(
            f"{entry.name} {entry.wanted} was not found", next_step=entry.settings["missing"]
        )
    with locks.exclusive(f"tool-{entry.name}", LOCKS, wait=True):
        if not _cached(entry).is_file():
            _fetch(entry)
    return _cached(entry)


def _fetch(entry: Tool) -> None:
    """The checked release; where it cannot be fetched, the same version from source if that is a way."""
    if "url" in entry.settings:
        try:
            release = _release(entry)
        except PipelineError as error:
            if "module" not in entry.settings or not shutil.which("go"):
                raise
            console.info(f"  {error.cause}: building it from source")
        else:
            files.write(_cached(entry), _program(entry, *release), mode=0o755)
            return
    _build(entry)


def _release(entry: Tool) -> tuple[str, bytes]:
    """The address and the content of the release for this platform."""
    here = platform()
    if here not in entry.settings["sha256"]:
        raise PipelineError(
            f"no {entry.name} release is named for {here}",
            next_step=f"install {entry.name} {entry.wanted} yourself, on PATH",
        )
    # A few projects name a platform in their own way.
    spelled = entry.settings.get("platforms", {}).get(here, here)
    url = entry.settings["url"].format(pinned=entry.settings["pinned"], platform=spelled)
    with console.progress(f"{entry.name} {entry.settings['pinned']} from its release"):
        try:
            response = httpx.get(url, follow_redirects=True, timeout=DOWNLOAD_SECONDS)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise PipelineError(
                f"{entry.name} could not be fetched ({error})",
                next_step=f"install {entry.name} {entry.wanted} on PATH, or check the network",
            ) from error
    return url, response.content


def _program(entry: Tool, url: str, content: bytes) -> bytes:
    """The program in a release (zip or tar.gz), whose checksum must be the pinned one."""
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != entry.settings["sha256"][platform()]:
        raise PipelineError(
            f"the {entry.name} release has the checksum {checksum}, which is not the pinned one",
            next_step="do not use it; check the network and tools/tools.yaml",
        )
    file = io.BytesIO(content)
    if url.endswith(".zip"):
        with zipfile.ZipFile(file) as archive:
            return archive.read(entry.name)
    with tarfile.open(fileobj=file) as tar, tempfile.TemporaryDirectory() as folder:
        tar.extract(entry.name, folder, filter="data")
        return Path(folder, entry.name).read_bytes()


def _build(entry: Tool) -> None:
    version = entry.settings["pinned"]
    if not shutil.which("go"):
        raise PipelineError(
            f"{entry.name} is built from its Go module, and go was not found",
            next_step=f"install Go 1.24 or newer, or {entry.name} itself",
        )
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=TOOLS) as folder,
        console.progress(f"{entry.name} {version} from source") as step,
    ):
        module = f"{entry.settings['module']}@v{version}"
        process.run(
            ["go", "install", "-v", "-trimpath", "-ldflags=-s -w", module],
            log=log_file(f"tool-{entry.name}"),
            env={**os.environ, "GOBIN": folder, "GOFLAGS": "-mod=mod"},
            on_line=step.update,
        )
        (program,) = Path(folder).iterdir()  # named after the module's last part
        _cached(entry).parent.mkdir(exist_ok=True)
        program.replace(_cached(entry))


def _version(entry: Tool, path: Path) -> str | None:
    command = [path, *entry.settings["version_command"][1:]]
    # A CLI configuration that does not exist makes Terraform warn on every call.
    clean = {key: value for key, value in os.environ.items() if key != "TF_CLI_CONFIG_FILE"}
    try:
        text = process.capture(command, env=clean)
    except PipelineError:
        return None
    match = re.search(r"\d+\.\d+(\.\d+)?", text)
    return match.group() if match else None


def platform() -> str:
    """This machine as the makers of tools name it, such as ``linux_amd64``."""
    system, machine = os.uname().sysname.lower(), os.uname().machine
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return f"{system}_{names.get(machine, machine)}"
