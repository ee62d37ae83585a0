"""The image of this work tree, built and started once."""

from collections.abc import Callable, Iterator

import pytest
import testinfra
from docker.models.containers import Container
from docker.models.images import Image
from testinfra.host import Host

from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL
from pipeline.images import app as appimage
from pipeline.images import catalogue
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


@pytest.fixture(scope="session")
def host(container: Container) -> Iterator[Host]:
    """A shell beside the container, which has none, as ``kubectl debug`` gives it; its files are in /proc/1/root."""
    debug = engine.client().containers.run(
        catalogue.provide("python"),
        ["sleep", "infinity"],
        detach=True,
        init=True,
        pid_mode=f"container:{container.id}",
        cap_add=["SYS_PTRACE"],
        labels={CHECKOUT_LABEL: CHECKOUT_ID},
    )
    try:
        yield testinfra.get_host(f"docker://{debug.name}")
    finally:
        debug.remove(force=True)
