"""The image registry of an account: where images are pushed and looked up."""

from pipeline.aws import localaws
from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.images import push
from pipeline.releases.image_reference import ImageReference


def reached(account: Account, repository: str) -> tuple[str, push.Credentials | None]:
    """A repository as it is reached from here, with credentials; the local registry has the real ones' names."""
    if account.local:
        return f"{localaws.registry()}/{repository.partition('/')[2]}", None
    return repository, push.ecr_credentials(account.client("ecr"))


def require(account: Account, image: ImageReference) -> None:
    """Raises PipelineError where the image is not where it will be pulled from."""
    repository, credentials = reached(account, image.repository)
    if push.manifest(repository, image.digest, credentials)[0] is None:
        raise PipelineError(
            f"{image.repository} has no image {image.digest}",
            next_step="push it there first, or name the digest of an image that was",
        )
