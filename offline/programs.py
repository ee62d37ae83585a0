"""The programs of the local cluster, built from their Go modules (pinned by go.mod, verified by go.sum) into the cache.

All come from one module, so that what they share is compiled once: about eight minutes on two processors, once a
machine. A change of the recipe or of Go's version is another folder in the cache.
"""

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core import console, locks, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, ROOT, log_file

FOLDER = ROOT / "offline" / "cluster"
MODULE = FOLDER / "go"
BUILT = CACHE / "cluster"
FLAGS = ("-trimpath", "-buildvcs=false")
MINIMUM_GO = "1.26"


@functools.cache
def recipe() -> dict[str, Any]:
    """``programs.yaml`` as it is."""
    loaded: dict[str, Any] = YAML(typ="safe").load(
        (FOLDER / "programs.yaml").read_text(encoding="utf-8")
    )
    return loaded


def ensure(names: Sequence[str] | None = None) -> Path:
    """The folder that holds the named programs (all when None), built now where one is missing.

    Raises:
        PipelineError: Go is missing, or a build failed; its log is named.
    """
    wanted = list(names or recipe()["packages"])
    folder = BUILT / key() / "bin"
    if all((folder / name).is_file() for name in wanted):
        return folder
    with locks.exclusive("cluster-programs", CACHE / "locks", wait=True):
        missing = [name for name in wanted if not (folder / name).is_file()]
        if missing:
            _build(missing, folder)
    return folder


def program(name: str) -> Path:
    """The path of one program, built now if it is missing; raises PipelineError as ``ensure`` does."""
    return ensure([name]) / name


def built(name: str) -> Path:
    """Where a program lies once it is built."""
    return BUILT / key() / "bin" / name


def files(name: str) -> Path:
    """The folder with the module's files that ``programs.yaml`` lists under ``name``; fetched now if missing."""
    entry = recipe()["files"][name]
    target = BUILT / key() / "files" / name
    if target.is_dir():
        return target
    with locks.exclusive("cluster-files", CACHE / "locks", wait=True):
        if target.is_dir():
            return target
        _require_go()
        # `go list -m` names no folder for a module that is not on this machine yet.
        fetched = process.capture(
            ["go", "mod", "download", "-json", entry["module"]], cwd=MODULE, env=_environment()
        )
        source = Path(json.loads(fetched)["Dir"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as making:
            for path in entry["paths"]:
                copy = Path(making) / name / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, copy)
            (Path(making) / name).replace(target)
    return target


@functools.cache
def key() -> str:
    """Sixteen hex digits over the recipe's files, the build's flags and Go's version."""
    digest = hashlib.sha256("\0".join(FLAGS).encode())
    sources = [path for path in MODULE.rglob("*") if path.is_file()]
    for path in sorted([FOLDER / "programs.yaml", *sources]):
        digest.update(f"\0{path.relative_to(FOLDER)}\0".encode())
        digest.update(path.read_bytes())
    digest.update(_go_version().encode())
    return digest.hexdigest()[:16]


def _go_version() -> str:
    if not shutil.which("go"):
        return "none"
    return process.capture(
        ["go", "env", "GOVERSION", "GOOS", "GOARCH"], cwd=MODULE, env=_environment()
    )


def _require_go() -> None:
    if not shutil.which("go"):
        raise PipelineError(
            "the cluster's programs are built from source here, and go was not found on PATH",
            next_step=f"install Go {MINIMUM_GO} or newer, or use a cluster of your own with --context NAME",
        )


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def _build(names: Sequence[str], folder: Path) -> None:
    _require_go()
    packages = {name: recipe()["packages"][name] for name in names}
    values = " ".join(f"-X {name}={value}" for name, value in recipe()["variables"].items())
    folder.mkdir(parents=True, exist_ok=True)
    title = f"cluster programs from source ({', '.join(names) if len(names) < 4 else len(names)})"  # noqa: PLR2004
    with (
        console.progress(title) as step,
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as making,
    ):
        step.update("fetching modules")
        listed = process.capture(
            ["go", "list", "-deps", *packages.values()], cwd=MODULE, env=_environment()
        )
        total = len(set(listed.split()))
        compiled = 0

        def show(line: str) -> None:
            nonlocal compiled
            if line and not line.startswith(("go: ", "$ ", "#", "\t")):
                compiled += 1
                # What an earlier build has compiled is not printed, so this is a lower bound of how far it is.
                step.update(f"{compiled} of at most {total} packages, {line}")

        log = log_file("cluster-programs")
        # `go build -o FOLDER/` names a program by the last part of its package, which is ambiguous for two of them.
        plain = {name: path for name, path in packages.items() if _last_part(path) == name}
        rest = {name: path for name, path in packages.items() if name not in plain}
        groups = [(Path(making), tuple(plain.values()))] if plain else []
        groups += [(Path(making) / name, (path,)) for name, path in rest.items()]
        for index, (target, paths) in enumerate(groups):
            output = f"{target}/" if target.is_dir() else str(target)
            process.run(
                [
                    "nice",
                    "-n",
                    "10",
                    "go",
                    "build",
                    "-v",
                    *FLAGS,
                    "-ldflags",
                    f"-s -w {values}",
                    "-o",
                    output,
                    *paths,
                ],
                log=log,
                cwd=MODULE,
                env=_environment(),
                append=index > 0,
                on_line=show,
                next_step="read the log; check the network (Go module proxy) and free disk space",
            )
        for name in names:
            (Path(making) / name).replace(folder / name)


def _last_part(package: str) -> str:
    parts = package.split("/")
    return parts[-2] if parts[-1][1:].isdigit() and parts[-1].startswith("v") else parts[-1]
