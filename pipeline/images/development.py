"""The application's image with code that can be written, for ``./inv dev``."""

from pipeline.core.paths import ROOT
from pipeline.images import build as imagebuild
from pipeline.images import docker
from pipeline.images.app import Record

FOLDER = ROOT / "server" / "development"


def build(record: Record) -> str:
    """The name of the image made from a build, with a tag that no other content has."""
    name = f"{record.image}-dev"
    image_id = imagebuild.build(FOLDER, [name], record.created, {"IMAGE": record.image})
    unique = f"{name}-{image_id[7:19]}"
    docker.client().images.get(image_id).tag(unique)
    return unique
