"""The image of this work tree, built and started once."""

from collections.abc import Iterator

import pytest
import testinfra
from docker.models.containers import Container
from docker.models.images import Image
from testinfra.host import Host

from pipeline.images import app as appimage
from pipeline.images import docker as engine
from tests.pipeline.images import running


@pytest.fixture(scope="session")
def image() -> Image:
    """The image, built from the work tree."""
    return engine.client().images.get(appimage.build().image_id)


@pytest.fixture(scope="session")
def container(image: Image) -> Iterator[Container]:
    """A container of the image."""
    environment = {"ENVIRONMENT": "development", "DRAIN_SECONDS": "0"}
    with running.container(str(image.id), environment) as started:
        yield started


@pytest.fixture(scope="session")
def host(container: Container) -> Host:
    """The running container, as testinfra sees it."""
    return testinfra.get_host(f"docker://{container.id}")
