"""Finds or fetches the external tools of ``tools/tools.yaml``, each in a pinned and verified version."""

import hashlib
import io
import os
import platform
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from pipeline.core import console, files, locks, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, LOCAL, ROOT, VENV_BIN, log_file

CATALOGUE = ROOT / "tools" / "tools.yaml"
DOWNLOAD_SECONDS = 300
#: Where `go install` puts the tools, one folder a version.
GO_TOOLS = CACHE / "tools"


@dataclass(frozen=True)
class Tool:
    """One entry of the catalogue; ``settings`` are the keys that only its way of obtaining uses."""

    name: str
    purpose: str
    source: str
    wanted: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Where a tool is, and in which version (None when it was not asked, because its lock decides)."""

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
            wanted=entry.get("wanted", entry.get("version", "as locked")),
            settings=entry,
        )
        for name, entry in entries.items()
    }


@cache
def tool(name: str) -> Path:
    """The path of a tool that fits, obtained now if it is missing.

    Raises:
        PipelineError: It is missing and cannot be had, does not fit, or fails its check.
    """
    entry = catalogue()[name]
    found = find(entry)
    if found:
        return found.path
    return _OBTAIN[entry.source](entry)


def find(entry: Tool) -> Found | None:
    """The tool as it is on this machine now, or None; fetches nothing."""
    return _FIND[entry.source](entry)


def python_environment(name: str) -> Path:
    """The folder of a Python environment of its own, made from ``requirements/<name>.txt`` (hashes checked).

    Tools whose pins would bind ours (checkov, the local AWS) live in one. It lies under ``.local`` and is
    remade when its lock changes.

    Raises:
        PipelineError: The packages could not be installed.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    venv = LOCAL / "environments-python" / name
    stamp = venv / "locked.txt"
    with locks.exclusive(f"environment-{name}", wait=True):
        if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
            return venv
        stamp.unlink(missing_ok=True)
        uv = shutil.which("uv") or LOCAL / "uv" / "bin" / "uv"
        environ = {**os.environ, "UV_HTTP_TIMEOUT": "180", "UV_NO_PROGRESS": "1"}
        log = log_file(f"environment-{name}")
        python = VENV_BIN / "python"
        with console.progress(f"Python environment for {name}") as step:
            for argv in (
                [uv, "venv", "--allow-existing", "--no-python-downloads", "--python", python, venv],
                [uv, "pip", "sync", "--require-hashes", "--python", venv / "bin" / "python", lock],
            ):
                process.run(
                    argv,
                    log=log,
                    env=environ,
                    append=True,
                    on_line=step.update,
                    next_step="read the log; check the network and free disk space",
                )
        stamp.write_bytes(lock.read_bytes())
    return venv


def _find_in_venv(entry: Tool) -> Found | None:
    path = VENV_BIN / entry.name
    return Found(path, None) if path.is_file() else None


def _missing_from_venv(entry: Tool) -> Path:
    raise PipelineError(
        f"{entry.name} is not in the locked environment",
        next_step="remove .local/venv and run ./inv again",
    )


def _find_on_path(entry: Tool) -> Found | None:
    for candidate in [shutil.which(entry.name), *entry.settings.get("also", [])]:
        if not candidate or not Path(candidate).is_file():
            continue
        version = _version(entry, Path(candidate))
        if version and version in SpecifierSet(entry.wanted):
            return Found(Path(candidate), version)
    return None


def _missing_from_path(entry: Tool) -> Path:
    raise PipelineError(
        f"{entry.name} {entry.wanted} was not found", next_step=entry.settings["missing"]
    )


def _find_downloaded(entry: Tool) -> Found | None:
    on_path = _find_on_path(entry)
    if on_path:
        return on_path
    path = _download_target(entry)
    return Found(path, entry.settings["pinned"]) if path.is_file() else None


def _download(entry: Tool) -> Path:
    target = _download_target(entry)
    where = _platform()
    wanted = entry.settings["sha256"].get(where)
    if wanted is None:
        raise PipelineError(
            f"no {entry.name} release is known for {where}",
            next_step=f"install {entry.name} {entry.wanted} yourself, on PATH",
        )
    # A few projects name a platform in their own way.
    spelled = entry.settings.get("platforms", {}).get(where, where)
    url = entry.settings["url"].format(pinned=entry.settings["pinned"], platform=spelled)
    with locks.exclusive(f"tool-{entry.name}", CACHE / "locks", wait=True):
        if target.is_file():
            return target
        with console.progress(f"{entry.name} {entry.settings['pinned']} from its release"):
            try:
                response = httpx.get(url, follow_redirects=True, timeout=DOWNLOAD_SECONDS)
                response.raise_for_status()
            except httpx.HTTPError as error:
                raise PipelineError(
                    f"{entry.name} could not be fetched ({error})",
                    next_step=f"install {entry.name} {entry.wanted} on PATH, or check the network",
                ) from error
        found = hashlib.sha256(response.content).hexdigest()
        if found != wanted:
            raise PipelineError(
                f"the {entry.name} release has the checksum {found}, not {wanted}",
                next_step="do not use it; check the network and tools/tools.yaml",
            )
        files.write(target, _member(response.content, url, entry.name), mode=0o755)
    return target


def _member(content: bytes, url: str, name: str) -> bytes:
    """The program in a release archive (zip or tar.gz)."""
    if url.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        file = archive.extractfile(name)
        if file is None:
            raise PipelineError(
                f"the release {url} holds no program {name}", next_step="check tools/tools.yaml"
            )
        return file.read()


def _download_or_build(entry: Tool) -> Path:
    """The checked release, or the same version built from source where the release cannot be fetched."""
    try:
        return _download(entry)
    except PipelineError as error:
        if "checksum" in error.cause or not shutil.which("go"):
            raise
        console.info(f"  {error.cause}: building it from source")
    return _build_with_go(entry)


def _download_target(entry: Tool) -> Path:
    return GO_TOOLS / f"{entry.name}-{entry.settings['pinned']}" / entry.name


def _find_built(entry: Tool) -> Found | None:
    path = _built_target(entry)
    return Found(path, entry.settings["version"]) if path.is_file() else None


def _build_with_go(entry: Tool) -> Path:
    target = _built_target(entry)
    module = f"{entry.settings['module']}@v{_go_version(entry)}"
    if not shutil.which("go"):
        raise PipelineError(
            f"{entry.name} is built from its Go module, and go was not found",
            next_step=f"install Go {entry.settings.get('go', '1.24')} or newer, or {entry.name} itself",
        )
    with locks.exclusive(f"tool-{entry.name}", CACHE / "locks", wait=True):
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=target.parent) as folder,
            console.progress(f"{entry.name} {_go_version(entry)} from source") as step,
        ):
            process.run(
                ["go", "install", "-v", "-trimpath", "-ldflags=-s -w", module],
                log=log_file(f"tool-{entry.name}"),
                env={**os.environ, "GOBIN": folder, "GOFLAGS": "-mod=mod"},
                on_line=step.update,
            )
            built = Path(folder) / entry.name
            if not built.exists():  # a module's major version is the last part of its path
                (built,) = Path(folder).iterdir()
            built.replace(target)
    return target


def _built_target(entry: Tool) -> Path:
    return GO_TOOLS / f"{entry.name}-{_go_version(entry)}" / entry.name


def _go_version(entry: Tool) -> str:
    return str(entry.settings.get("version") or entry.settings["pinned"])


def _find_in_own_venv(entry: Tool) -> Found | None:
    path = LOCAL / "environments-python" / entry.name / "bin" / entry.name
    return Found(path, None) if path.is_file() else None


def _make_own_venv(entry: Tool) -> Path:
    return python_environment(entry.name) / "bin" / entry.name


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


def _platform() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}_{machine}"


_FIND: dict[str, Callable[[Tool], Found | None]] = {
    "venv": _find_in_venv,
    "path": _find_on_path,
    "path-or-download": _find_downloaded,
    "path-or-download-or-go": _find_downloaded,
    "go": _find_built,
    "own-venv": _find_in_own_venv,
}
_OBTAIN: dict[str, Callable[[Tool], Path]] = {
    "venv": _missing_from_venv,
    "path": _missing_from_path,
    "path-or-download": _download,
    "path-or-download-or-go": _download_or_build,
    "go": _build_with_go,
    "own-venv": _make_own_venv,
}
