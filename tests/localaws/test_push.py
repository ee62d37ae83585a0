"""A tag in a registry is not trusted: it names the image that is pushed, or the push is refused."""

import io

import docker
import pytest

from pipeline.aws import localaws
from pipeline.core.errors import PipelineError
from pipeline.images import push
from tests.localaws.conftest import World

pytestmark = pytest.mark.engine

NAME = "pushed-twice"


def image(label: str) -> str:
    """An image of its own, without layers of any use."""
    dockerfile = io.BytesIO(f"FROM scratch\nLABEL is={label}\nCOPY . /\n".encode())
    made, _ = docker.from_env().images.build(fileobj=dockerfile, tag=f"{NAME}:{label}")
    return str(made.tags[0])


def test_a_tag_that_holds_another_image_is_refused(running: None) -> None:
    World("", "", []).client("ecr").create_repository(repositoryName=NAME)
    repository = f"{localaws.registry()}/{NAME}"
    one, two = image("one"), image("two")
    try:
        first = push.push(one, repository, "v1")
        assert push.push(one, repository, "v1") == first
        with pytest.raises(PipelineError, match=r"the tag v1 of .* holds another image"):
            push.push(two, repository, "v1")
        assert push.push(two, repository, "v2") != first
    finally:
        for made in (one, two):
            docker.from_env().images.remove(made, force=True)
