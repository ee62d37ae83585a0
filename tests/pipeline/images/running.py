"""The image as every target runs it: read-only root, no rights, a writable /tmp and /data."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from docker.models.containers import Container

from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL
from pipeline.images import docker as engine

#: The fixed user of the image.
UID = 10001
PORT = 5000


@contextmanager
def container(image: str, environment: Mapping[str, str]) -> Iterator[Container]:
    """A container of the image on SQLite, with its port on this machine's loopback; removed at the end."""
    running = engine.client().containers.run(
        image,
        detach=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/tmp": "mode=1777", "/data": f"uid={UID}"},  # noqa: S108 - in the container
        environment=dict(environment),
        labels={CHECKOUT_LABEL: CHECKOUT_ID},
        ports={f"{PORT}/tcp": ("127.0.0.1", 0)},
    )
    try:
        yield running
    finally:
        running.remove(force=True, v=True)


def url(running: Container) -> str:
    """Where the container answers, in the words of a browser, for which ``localhost`` is safe enough for cookies."""
    running.reload()
    bound = running.ports[f"{PORT}/tcp"]
    assert bound
    return f"http://localhost:{bound[0]['HostPort']}"
