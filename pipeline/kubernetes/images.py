"""The images of the cluster's own pods and of its node: pulled by digest where a registry answers, else built here."""

import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.errors
from ruamel.yaml import YAML

from offline import programs
from pipeline.core import console, locks, process
from pipeline.core.paths import CACHE, log_file
from pipeline.images import bases as baseimages
from pipeline.images import docker as engine
from pipeline.images import registries

RECIPES = programs.FOLDER
ARCHIVES = CACHE / "cluster-images"
RECIPE_LABEL = "ecs-saas-app.recipe"
#: Names in the engine begin with this, so that an official image there is never overwritten; the node drops it again.
PREFIX = "ecs-saas-app"
NODE = f"{PREFIX}/node:local"


@dataclass(frozen=True)
class Image:
    """One entry of ``images.yaml``. ``reference`` is the name in manifests, ``local_name`` the one in this engine."""

    name: str
    reference: str
    digest: str
    base: str | None
    programs: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def local_name(self) -> str:
        """The name in the engine, wherever the image came from."""
        return f"{PREFIX}/{self.reference}"


@functools.cache
def catalogue() -> dict[str, Any]:
    """``images.yaml`` as it is."""
    loaded: dict[str, Any] = YAML(typ="safe").load(
        (RECIPES / "images.yaml").read_text(encoding="utf-8")
    )
    return loaded


def image(name: str) -> Image:
    """The entry of one image that has a Dockerfile here."""
    return _image(name, catalogue()["images"][name])


def _image(name: str, entry: dict[str, Any]) -> Image:
    return Image(
        name=name,
        reference=entry["reference"],
        digest=entry["digest"],
        base=entry.get("base"),
        programs=tuple(entry.get("programs", ())),
        files=tuple(entry.get("files", ())),
    )


def provide(wanted: Image, registry: str | None = None) -> str:
    """Sees to it that the image is in the engine and returns its name there.

    Args:
        registry: Ask this one instead of the reference's own (a mirror with the same digests).

    Raises:
        PipelineError: No registry answers and it cannot be built.
    """
    with locks.exclusive(f"image-{wanted.name}", CACHE / "locks", wait=True):
        if _pulled(wanted, registry) is None:
            _build(
                RECIPES / wanted.name, wanted.local_name, wanted.base, wanted.programs, wanted.files
            )
    return wanted.local_name


def kind_image() -> Image:
    """The image of kind's node, which is pulled or not had at all."""
    return _image("kind", catalogue()["kind"])


def obtainable(wanted: Image) -> bool:
    """Whether an image can be had without building it: it is in the engine by digest, or its registry answers."""
    host, by_digest = _source(wanted, None)
    return _tagged(by_digest, wanted) or registries.answers(host)


def pull_kind() -> str | None:
    """The name by digest of kind's node image in the engine, pulled now if missing; None where it cannot be had."""
    with locks.exclusive("image-kind", CACHE / "locks", wait=True):
        return _pulled(kind_image(), None)


def _source(wanted: Image, registry: str | None) -> tuple[str, str]:
    """The registry to ask, and what to ask it for."""
    host, _, path = wanted.reference.rpartition(":")[0].partition("/")
    host = registry or host
    return host, f"{host}/{path}@{wanted.digest}"


def _pulled(wanted: Image, registry: str | None) -> str | None:
    """The image's name by digest once its registry has given it; None where that does not answer or lacks it."""
    host, by_digest = _source(wanted, registry)
    if _tagged(by_digest, wanted):
        return by_digest
    if not registries.answers(host):
        return None
    try:
        with console.progress(f"{wanted.reference} from {host}"):
            engine.client().images.pull(by_digest.partition("@")[0], tag=wanted.digest)
    except docker.errors.APIError as error:
        console.warn(f"{by_digest} could not be pulled: {error.explanation or error}")
        registries.forget(host)
        return None
    _tagged(by_digest, wanted)
    return by_digest


def node() -> str:
    """The name of the node's image in the engine, built now if it is missing or its recipe has changed."""
    with locks.exclusive("image-node", CACHE / "locks", wait=True):
        _build(RECIPES / "node", NODE, catalogue()["node"]["base"], (), ())
    return NODE


def archives(without: Collection[str] = ()) -> list[Path]:
    """The images of the cluster's pods, as archives for the node's container runtime; small ones first.

    Args:
        without: The names of those that the node has already.

    Raises:
        PipelineError: An image can neither be pulled nor built.
    """
    small: list[str] = []
    large: list[str] = []
    for name, entry in catalogue()["images"].items():
        if name in without:
            continue
        if "recipe" in entry:
            large.append(baseimages.resolve_base(entry["recipe"]))
            continue
        wanted = image(name)
        (small if wanted.base is None else large).append(provide(wanted))
    groups = (("1-first", small), ("2-rest", large))
    return [archive(name, images) for name, images in groups if images]


def archive(name: str, images: list[str]) -> Path:
    """One archive of several images (what they share is in it once), keyed by their ids."""
    ids = [str(engine.client().images.get(one).id) for one in images]
    key = hashlib.sha256(" ".join([*images, *ids]).encode()).hexdigest()[:16]
    folder = ARCHIVES / name
    target = folder / f"{name}-{key}.tar"
    with locks.exclusive(f"archive-{name}", CACHE / "locks", wait=True):
        if target.is_file():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with (
            console.progress(f"archive of {', '.join(one.rpartition('/')[2] for one in images)}"),
            tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making,
        ):
            partial = Path(making) / "images.tar"
            process.run(
                [engine.builder_cli().argv[0], "save", "--output", partial, *images],
                log=log_file("cluster-images"),
                env=engine.builder_cli().env,
            )
            for older in set(folder.glob("*.tar")) - engine.mounted():
                older.unlink()
            partial.replace(target)
    return target


def _tagged(by_digest: str, wanted: Image) -> bool:
    try:
        found = engine.client().images.get(by_digest)
    except docker.errors.ImageNotFound:
        return False
    repository, _, tag = wanted.local_name.rpartition(":")
    found.tag(repository, tag)
    return True


def _build(
    folder: Path, name: str, base: str | None, binaries: tuple[str, ...], files: tuple[str, ...]
) -> None:
    """Builds ``folder/Dockerfile`` unless the engine holds what it would give."""
    base_image = baseimages.resolve_base(base) if base else None
    key = _key(folder, base_image, binaries, files)
    try:
        present = engine.client().images.get(name).labels.get(RECIPE_LABEL)
    except docker.errors.ImageNotFound:
        present = None
    if present == key:
        return
    engine.require_space()
    built = programs.ensure(binaries) if binaries else None
    builder = engine.builder_cli()
    with (
        console.progress(f"image {name.removeprefix(f'{PREFIX}/')}") as step,
        tempfile.TemporaryDirectory(prefix="ecs-saas-app-image-") as making,
    ):
        context = Path(making) / "context"
        shutil.copytree(folder, context)
        for one in binaries:
            assert built is not None  # noqa: S101 - set where there are binaries
            _link(built / one, context / one)
        for one in files:
            group, _, path = one.partition("/")
            _link(programs.files(group) / path, context / Path(path).name)
        arguments = ["--build-arg", f"BASE={base_image}"] if base_image else []
        process.run(
            [
                *builder.argv,
                "--network",
                "host",
                "--label",
                f"{RECIPE_LABEL}={key}",
                "--tag",
                name,
                *arguments,
                context,
            ],
            log=log_file(f"image-{folder.name}"),
            env=builder.env,
            on_line=step.update,
            next_step="read the log; check the network (Debian's packages) and free disk space",
        )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _key(folder: Path, base: str | None, binaries: tuple[str, ...], files: tuple[str, ...]) -> str:
    digest = hashlib.sha256(programs.key().encode() if binaries or files else b"")
    if base:
        found = engine.client().images.get(base)
        digest.update(str(found.id).encode())
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        digest.update(f"\0{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
