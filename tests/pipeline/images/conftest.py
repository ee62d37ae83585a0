"""The image of this work tree, built and started once."""

from collections.abc import Callable, Iterator

import pytest
from docker.models.containers import Container
from docker.models.images import Image

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
def python(container: Container) -> Callable[[str], str]:
    """Runs a program in the container, which has no other interpreter than Python; what it prints."""

    def run(program: str) -> str:
        result = container.exec_run(["python", "-c", program])
        assert isinstance(result.output, bytes)
        assert result.exit_code == 0, result.output
        return result.output.decode()

    return run
