"""The image registry of an account: where images are pushed, looked up, and kept from expiry."""

import base64
from typing import Any

from pipeline.aws import localaws
from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.images import push, registries
from pipeline.releases.image_reference import ImageReference


def reached(account: Account, repository: str) -> tuple[str, registries.Credentials | None]:
    """A repository as it is reached from here, with credentials; the local registry has the real ones' names."""
    if account.local:
        return f"{localaws.registry()}/{repository.partition('/')[2]}", None
    answer = account.client("ecr").get_authorization_token()
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    username, _, password = token.partition(":")  # good for twelve hours
    return repository, (username, password)


def require(account: Account, image: ImageReference) -> None:
    """Raises PipelineError where the image is not where it will be pulled from."""
    repository, credentials = reached(account, image.repository)
    if push.manifest(repository, image.digest, credentials)[0] is None:
        raise _missing(image)


def keep(client: Any, image: ImageReference, environment: str) -> None:
    """Gives an image the tag of what was deployed to an environment, which the registry spares from expiry.

    Tags are immutable, so that each image has its own: a role that could move one could delete images as well.

    Args:
        client: Of ``ecr``. A registry's own API takes a tag only with a push's rights.
    """
    host, _, name = image.repository.partition("/")
    place = {"registryId": host.partition(".")[0], "repositoryName": name}
    tag = f"deployed-{environment}-{image.short}"

    def images(**image_id: str) -> list[dict[str, Any]]:
        types = list(push.MANIFESTS)
        answer = client.batch_get_image(**place, imageIds=[image_id], acceptedMediaTypes=types)
        return list(answer["images"])

    if images(imageTag=tag):
        return
    present = images(imageDigest=image.digest)
    if not present:
        raise _missing(image)
    manifest = {key: present[0][key] for key in ("imageManifest", "imageManifestMediaType")}
    client.put_image(**place, **manifest, imageDigest=image.digest, imageTag=tag)


def _missing(image: ImageReference) -> PipelineError:
    return PipelineError(
        f"{image.repository} has no image {image.digest}",
        next_step="push it there first, or name the digest of an image that was",
    )
