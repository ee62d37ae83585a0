"""The images of the local cluster's pods, packed for the container runtime of its node, which asks no registry."""

import hashlib
import tempfile
from collections.abc import Collection
from pathlib import Path

from pipeline.core import console, locks, process
from pipeline.core.paths import CACHE, log_file
from pipeline.images import catalogue
from pipeline.images import docker as engine

ARCHIVES = CACHE / "cluster-images"
#: The entries of the catalogue that pods use, by archive: without the first ones no pod starts.
GROUPS = {"1-first": ("pause", "coredns"), "2-rest": ("redis", "argocd", "rollouts", "postgres")}
NAMES = tuple(name for names in GROUPS.values() for name in names)


def archives(without: Collection[str] = ()) -> list[Path]:
    """The archives of the images, small ones first, ``without`` those that the node has already."""
    groups = {
        group: [catalogue.provide(name) for name in names if name not in without]
        for group, names in GROUPS.items()
    }
    return [archive(group, images) for group, images in groups.items() if images]


def archive(name: str, images: list[str]) -> Path:
    """One archive of several images (what they share is in it once), keyed by their ids."""
    ids = [str(engine.client().images.get(image).id) for image in images]
    key = hashlib.sha256(" ".join([*images, *ids]).encode()).hexdigest()[:16]
    folder = ARCHIVES / name
    target = folder / f"{name}-{key}.tar"
    with locks.exclusive(f"archive-{name}", CACHE / "locks", wait=True):
        if target.is_file():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        names = ", ".join(image.rpartition("/")[2] for image in images)
        docker_cli = engine.builder()
        with (
            console.progress(f"archive of {names}"),
            tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making,
        ):
            partial = Path(making) / "images.tar"
            argv = [docker_cli.argv[0], "save", "--output", str(partial), *images]
            process.run(argv, log=log_file("cluster-images"), env=docker_cli.env)
            for older in set(folder.glob("*.tar")) - engine.mounted():
                older.unlink()
            partial.replace(target)
    return target
