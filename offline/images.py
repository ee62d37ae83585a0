"""Builds the images that no registry gives, from ``recipes.yaml``: Debian packages, programs built from source."""

import functools
import hashlib
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

import docker.errors

from offline import debian, programs
from pipeline.core import console, files, process
from pipeline.core.paths import ROOT, log_file
from pipeline.images import catalogue
from pipeline.images import docker as engine

FOLDER = ROOT / "offline"


@functools.cache
def recipes() -> dict[str, Any]:
    document: dict[str, Any] = files.read_yaml(FOLDER / "recipes.yaml")
    return document


def build(name: str, tag: str) -> None:
    """Builds an image under a tag, unless the engine has it from the same recipe."""
    recipe = recipes()["images"][name]
    base = catalogue.provide(recipe["base"]) if "base" in recipe else None
    key = _key(recipe, base)
    if catalogue.recipe(tag) == key or _renamed(f"{catalogue.RECIPE}:{key}", tag):
        return
    engine.require_space()
    builder = engine.builder()
    with (
        console.progress(f"{tag.partition('/')[2]}, made here") as step,
        tempfile.TemporaryDirectory(prefix="delivery-image-") as scratch,
    ):
        context = Path(scratch) / "context"
        shutil.copytree(FOLDER / recipe["folder"], context)
        if "packages" in recipe:
            debian.root_file_system(
                context / "root.tar", recipes()["suite"], recipe["packages"], step.update
            )
        for program in recipe.get("programs", ()):
            _link(programs.program(program), context / program)
        for file in recipe.get("files", ()):
            group, _, path = file.partition("/")
            _link(programs.files(group) / path, context / Path(path).name)
        argv = [*builder.argv, "--network=host", f"--tag={tag}", f"--tag={catalogue.RECIPE}:{key}"]
        argv += [f"--build-arg=BASE={base}"] if base else []
        process.run(
            [*argv, context],
            log=log_file(f"image-{name}"),
            env=builder.env,
            on_line=step.update,
            next_step="read the log; check the network (Debian's packages) and free disk space",
        )


def _renamed(made: str, tag: str) -> bool:
    """Whether the engine has the image without the tag, which another checkout gave to one from another recipe."""
    try:
        return engine.client().images.get(made).tag(*tag.rsplit(":", 1))
    except docker.errors.ImageNotFound:
        return False


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _key(recipe: dict[str, Any], base: str | None) -> str:
    """A SHA-256 over all that decides what an image holds, except the state of Debian's archive."""
    parts = [json.dumps(recipe, sort_keys=True), recipes()["suite"], platform.machine()]
    if "programs" in recipe:
        parts.append(programs.key())
    if base:
        parts.append(catalogue.recipe(base) or str(engine.client().images.get(base).id))
    digest = hashlib.sha256("\0".join(parts).encode())
    folder = FOLDER / recipe["folder"]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
