"""What a local AWS has in Docker's engine: its network, its containers, volumes and pulled images."""

import contextlib
from collections.abc import Iterator

import docker
from docker.errors import APIError, DockerException, NotFound

from localaws import LocalAwsError
from localaws.settings import Settings

#: Statuses of a removal that somebody else was faster with, or that a container of somebody else forbids.
_GONE_OR_USED = (404, 409)


def connect() -> docker.DockerClient:
    """The client of the engine that DOCKER_HOST names, else of the default socket; raises LocalAwsError."""
    try:
        client = docker.from_env()
        client.ping()
    except (DockerException, OSError) as error:
        raise LocalAwsError(
            "the Docker engine does not answer", "start Docker, or set DOCKER_HOST"
        ) from error
    return client


def ensure_network(settings: Settings) -> None:
    """Makes the network of tasks and databases: a user-defined one, since only those resolve names."""
    client = connect()
    try:
        client.networks.get(settings.network)
    except NotFound:
        client.networks.create(settings.network, driver="bridge", labels=settings.labels)


def remove(settings: Settings, *, purge: bool) -> None:
    """Removes the containers; with ``purge`` also volumes, the network and the names of pulled images."""
    client = connect()
    mine: dict[str, str | list[str] | bool] = {
        "label": [f"{name}={value}" for name, value in settings.labels.items()]
    }
    for container in client.containers.list(all=True, sparse=True, filters=mine):
        with _tolerant():
            container.remove(force=True, v=True)
    if not purge:
        return
    for volume in client.volumes.list(filters=mine):
        volume.remove(force=True)
    for network in client.networks.list(filters=mine):
        network.remove()
    for image in client.images.list():
        for reference in [*image.tags, *(image.attrs.get("RepoDigests") or [])]:
            if reference.startswith(f"{settings.registry}/"):
                with _tolerant():
                    client.images.remove(reference, force=True)


@contextlib.contextmanager
def _tolerant() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        if error.status_code not in _GONE_OR_USED:
            raise
