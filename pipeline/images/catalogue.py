"""Images of others (``images.yaml``): pulled as pinned where a registry answers, else made by ``offline``."""

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from pipeline.core import console, files, locks
from pipeline.core.paths import CACHE
from pipeline.images import docker as engine
from pipeline.images import registries

FILE = Path(__file__).with_name("images.yaml")
#: Names in the engine begin with this, so that an image there under its own name is never overwritten.
PREFIX = "delivery"
#: The second name of an image that was made here, with its recipe's hash as the tag. Not a label:
#: images built on it would inherit it.
RECIPE = f"{PREFIX}/recipe"
#: Docker Hub's official images, and Amazon's copy of the same images with the same digests.
OFFICIAL = ("docker.io/library", "public.ecr.aws/docker/library")


@dataclass(frozen=True)
class Image:
    """An entry of ``images.yaml``; ``reference`` has registry and tag, as in manifests."""

    name: str
    reference: str
    digest: str = ""

    @property
    def local_name(self) -> str:
        """The name in the engine, wherever the image came from."""
        return f"{PREFIX}/{self.reference}"


@functools.cache
def catalogue() -> dict[str, Image]:
    entries = files.read_yaml(FILE)
    return {name: Image(name, **entry) for name, entry in entries.items()}


def provide(name: str) -> str:
    """The local name of an image, which is in the engine afterwards."""
    image = catalogue()[name]
    if pull(name) is None:
        from offline import provide as offline  # noqa: PLC0415 - only where no registry answers

        with locks.exclusive(f"image-{name}", CACHE / "locks", wait=True):
            offline.image(name, image.local_name)
    return image.local_name


def pull(name: str) -> str | None:
    """The pinned name of an image, which is in the engine afterwards; None where no registry gives it."""
    image = catalogue()[name]
    with locks.exclusive(f"image-{name}", CACHE / "locks", wait=True):
        if present := _present(image):
            return present
        for source in filter(registries.answers, sources(image)):
            engine.require_space()
            try:
                with console.progress(source.partition("@")[0]):
                    engine.client().images.pull(source)
            except docker.errors.APIError as error:
                console.warn(f"{source} could not be pulled: {error.explanation or error}")
                registries.forget(source)
            else:
                return _present(image)
    return None


def obtainable(name: str) -> bool:
    """Whether an image need not be made: it is in the engine by its pinned name, or its registry answers."""
    image = catalogue()[name]
    return _present(image) is not None or any(map(registries.answers, sources(image)))


def recipe(local_name: str) -> str | None:
    """The hash of the recipe that an image in the engine was made by; None for a pulled or missing one."""
    try:
        tags = engine.client().images.get(local_name).tags
    except docker.errors.ImageNotFound:
        return None
    return next((tag.rpartition(":")[2] for tag in tags if tag.startswith(f"{RECIPE}:")), None)


def sources(image: Image) -> list[str]:
    """The pinned names, by digest where there is one; ``BASE_REGISTRY=host/path`` replaces the official registries."""
    name, _, tag = image.reference.rpartition(":")
    registry, _, repository = name.rpartition("/")
    pin = f"@{image.digest}" if image.digest else f":{tag}"
    own = os.environ.get("BASE_REGISTRY", "").strip("/")
    official = (own,) if own else OFFICIAL
    hosts = official if registry in OFFICIAL else (registry,)
    return [f"{host}/{repository}{pin}" for host in hosts]


def _present(image: Image) -> str | None:
    """The pinned name of an image that was pulled before, which gets its local name now."""
    for source in sources(image):
        with contextlib.suppress(docker.errors.ImageNotFound):
            repository, _, tag = image.local_name.rpartition(":")
            engine.client().images.get(source).tag(repository, tag)
            return source
    return None
