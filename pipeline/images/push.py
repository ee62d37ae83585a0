"""Pushes an image to a registry by an immutable tag, and returns the digest that names it from then on."""

import hashlib

import docker.errors
import httpx

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.images import docker as engine
from pipeline.images import registries
from pipeline.images.registries import Credentials
from pipeline.releases.image_reference import DIGEST, ImageReference

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


def push(
    image: str, repository: str, tag: str, credentials: Credentials | None = None
) -> ImageReference:
    """Pushes a local image as ``repository:tag``; raises PipelineError when the registry refuses or does not answer.

    A tag that holds this image already is not pushed again; one that holds another image is refused.
    """
    local = engine.client().images.get(image)
    present, image_id = manifest(repository, tag, credentials)
    if present and local.id not in (image_id, present):
        raise PipelineError(
            f"the tag {tag} of {repository} holds another image ({present[7:19]})",
            next_step="commit the change or take another tag: a version that was pushed stays what it is",
        )
    if present:
        console.info(f"  {tag} is in the registry already: {present}")
        return ImageReference(repository, present)
    local.tag(repository, tag)
    login = dict(zip(("username", "password"), credentials, strict=True)) if credentials else None
    digest = ""
    try:
        with console.progress(f"push {tag}") as step:
            for event in engine.client().api.push(
                repository, tag, stream=True, decode=True, auth_config=login
            ):
                if "error" in event:
                    raise registries.refused(repository, str(event["error"]))
                if event.get("status") and event.get("progress"):
                    step.update(f"{event['status']} {event['progress']}")
                digest = event.get("aux", {}).get("Digest", digest)
    except docker.errors.APIError as error:
        raise registries.refused(repository, str(error.explanation or error)) from error
    finally:
        # The name was for this push alone; the image keeps its own.
        engine.client().images.remove(f"{repository}:{tag}", noprune=True)
    if not DIGEST.fullmatch(digest):
        raise registries.refused(repository, "it named no digest")
    return ImageReference(repository, digest)


def manifest(
    repository: str, tag: str, credentials: Credentials | None
) -> tuple[str | None, str | None]:
    """The digest that a registry has under a tag or digest, and the id of that image; None where there is none."""
    response = registries.call(
        "GET",
        repository,
        f"manifests/{tag}",
        credentials,
        statuses=(httpx.codes.OK, httpx.codes.NOT_FOUND),
        headers={"Accept": ", ".join(MANIFESTS)},
    )
    if response.status_code == httpx.codes.NOT_FOUND:
        return None, None
    digest = f"sha256:{hashlib.sha256(response.content).hexdigest()}"
    return digest, response.json().get("config", {}).get("digest")
