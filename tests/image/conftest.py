"""The image of this work tree, running as every target runs it: read-only root, a writable /tmp and /data."""

from collections.abc import Iterator

import pytest
import testinfra
from docker.models.containers import Container
from docker.models.images import Image
from testinfra.host import Host

from pipeline.engines import appimage
from pipeline.engines import docker as engine
from pipeline.paths import CHECKOUT_ID, CHECKOUT_LABEL

#: The fixed user of the image.
UID = 10001


@pytest.fixture(scope="session")
def image() -> Image:
    """The image, built from the work tree."""
    return engine.client().images.get(appimage.build().image_id)


@pytest.fixture(scope="session")
def container(image: Image) -> Iterator[Container]:
    """A container of the image on SQLite; it is healthy when a test gets it."""
    running = engine.client().containers.run(
        str(image.id),
        detach=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/tmp": "mode=1777", "/data": f"uid={UID}"},  # noqa: S108 - in the container
        environment={"ENVIRONMENT": "development", "DRAIN_SECONDS": "0"},
        labels={CHECKOUT_LABEL: CHECKOUT_ID},
    )
    yield running
    running.remove(force=True)


@pytest.fixture(scope="session")
def host(container: Container) -> Host:
    """The running container, as testinfra sees it."""
    return testinfra.get_host(f"docker://{container.id}")
