"""Puts edited files into the replicas of an image with code that can be written, on this machine's engines."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pipeline.argocd import application
from pipeline.images import docker
from pipeline.kubernetes import workload
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import ecs_operations, kubernetes
from pipeline.terraform import roots

#: Gives a replica an archive (tar) of files below ``FOLDER``, and has it start the application again.
Put = Callable[[bytes], None]
FOLDER = "/app"
#: Reads the archive as text: kubectl's standard input is text here.
EXTRACT = (
    "import base64, io, os, sys, tarfile; content = io.BytesIO(base64.b64decode(sys.stdin.read()));"
    f" tarfile.open(fileobj=content).extractall({FOLDER!r}); os.kill(1, 1)"
)


def on_ecs(environment: Environment, digest: str) -> Mapping[str, Put]:
    """The application's running containers of an image, by id."""
    name = roots.base_name(environment)
    return {
        container.id: partial(_into_container, container)
        for container in docker.ours()
        if container.status == "running"
        and container.labels.get(ecs_operations.CONTAINER_LABEL) == name
        and container.attrs["Config"]["Image"].endswith(digest)
    }


def on_kubernetes(environment: Environment, digest: str) -> Mapping[str, Put]:
    """The ready pods of an image, by name."""
    cluster, namespace = kubernetes.connect(), application.namespace(environment.name)

    def into_pod(pod: str, archive: bytes) -> None:
        python = ["/usr/bin/python3", "-I", "-c", EXTRACT]
        arguments = ["exec", "--stdin", f"--namespace={namespace}", pod, "--", *python]
        cluster.run(*arguments, stdin=base64.b64encode(archive).decode())

    image = str(ImageReference(environment.repository, digest))
    pods = workload.ready(cluster, namespace, image)
    return {pod: partial(into_pod, pod) for pod in pods}


def _into_container(container: Any, archive: bytes) -> None:
    container.put_archive(FOLDER, archive)
    container.kill(signal="HUP")
