"""The programs of the local cluster, built into the cache from Go modules (pinned by go.mod, verified by go.sum).

All come from one module, so that what they share is compiled once: about nine minutes on two processors.
"""

import functools
import hashlib
import json
import os
import re
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
#: The first Go that fetches the release that go.mod names.
MINIMUM_GO = "1.21"


@functools.cache
def recipe() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(FOLDER / "programs.yaml")
    return loaded


def ensure(names: Sequence[str] | None = None) -> Path:
    """The folder that holds the named programs (all when None), built now where one is missing."""
    folder = BUILT / key() / "bin"

    def missing() -> list[str]:
        return [name for name in names or recipe()["packages"] if not (folder / name).is_file()]

    if missing():
        _require_go()
        with locks.exclusive("cluster-programs", CACHE / "locks", wait=True):
            if left := missing():
                _build(left, folder)
    return folder


def program(name: str) -> Path:
    """The path of one program, built now if it is missing."""
    return ensure([name]) / name


def built(name: str) -> Path | None:
    """The path of a program that was built before."""
    path = BUILT / key() / "bin" / name
    return path if path.is_file() else None


def files(name: str) -> Path:
    """The folder with the module's files that ``programs.yaml`` lists under ``name``; fetched now if missing."""
    entry = recipe()["files"][name]
    target = BUILT / key() / "files" / name
    with locks.exclusive("cluster-files", CACHE / "locks", wait=True):
        if target.is_dir():
            return target
        _require_go()
        module = _module(entry["module"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as making:
            for path in entry["paths"]:
                copy = Path(making) / name / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(module / path, copy)
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
    # Of the Go that is installed: a key must not cost the download of the one that go.mod names.
    local = {**_environment(), "GOTOOLCHAIN": "local"}
    return process.capture(["go", "env", "GOVERSION", "GOOS", "GOARCH"], cwd=ROOT, env=local)


def _require_go() -> None:
    if not shutil.which("go"):
        raise PipelineError(
            "the cluster's programs are built from source here, and go was not found on PATH",
            next_step=f"install Go {MINIMUM_GO} or newer, or use a cluster of your own with --context NAME",
        )


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "auto",
        "GOWORK": "off",
    }


def _build(names: Sequence[str], folder: Path) -> None:
    packages = {name: recipe()["packages"][name] for name in names}
    values = " ".join(f"-X {name}={value}" for name, value in recipe()["variables"].items())
    folder.mkdir(parents=True, exist_ok=True)
    with (
        console.progress(f"cluster programs from source: {', '.join(names)}") as step,
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as making,
    ):
        argv = ["nice", "-n", "10", "go", "build", "-v", *FLAGS, "-ldflags", f"-s -w {values}"]
        argv += [f"-modfile={patched(Path(making))}"]
        process.run(
            [*argv, "-o", f"{making}/", *packages.values()],
            log=log_file("cluster-programs"),
            cwd=MODULE,
            env=_environment(),
            on_line=step.update,
            next_step="read the log; check the network (Go module proxy) and free disk space",
        )
        for name, package in packages.items():
            # Go names a program after the last part of its package's path that is no version.
            program = re.sub(r"/v\d+$", "", package).rpartition("/")[2]
            (Path(making) / program).replace(folder / name)


def patched(folder: Path) -> Path:
    """A go.mod that takes the modules with the recipe's patches from copies in a folder.

    Raises:
        PipelineError: A line is not there once: the module's version has changed.
    """
    text = (MODULE / "go.mod").read_text(encoding="utf-8")
    for patch in recipe()["patches"]:
        name, copy = patch["module"], folder / Path(patch["module"]).name
        shutil.copytree(_module(name), copy, copy_function=shutil.copyfile)
        for path in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            path.chmod(0o755)  # the module's own cannot be written to, nor removed
        source = (copy / patch["path"]).read_text(encoding="utf-8")
        if source.count(patch["line"]) != 1:
            raise PipelineError(
                f"{name} has changed: {patch['path']} cannot be patched",
                next_step="look whether offline/cluster/programs.yaml needs the patch any more",
            )
        (copy / patch["path"]).write_text(
            source.replace(patch["line"], patch["with"]), encoding="utf-8"
        )
        text += f"\nreplace {name} => {copy}\n"
    (folder / "go.mod").write_text(text, encoding="utf-8")
    shutil.copyfile(MODULE / "go.sum", folder / "go.sum")
    return folder / "go.mod"


def _module(name: str) -> Path:
    """The folder of a module, fetched now where it is missing: `go list -m` would name none then."""
    argv = ["go", "mod", "download", "-json", name]
    return Path(json.loads(process.capture(argv, cwd=MODULE, env=_environment()))["Dir"])
