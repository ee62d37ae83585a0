"""The push stage: the image that was built and scanned goes to a registry, and is a digest from then on."""

from dataclasses import replace

from pipeline.aws import account as aws
from pipeline.aws import localaws
from pipeline.github import actions as github
from pipeline.github import reports
from pipeline.images import app as appimage
from pipeline.images import push as imagepush
from pipeline.releases import environments
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.scanners import sbom


def run(environment_name: str, *, preview: bool = False) -> str:
    """Pushes the image and resolves the environment to its digest, in ``.local/environments``.

    The same version again is no error: its digest is taken from the registry.

    Args:
        preview: To the repository of previews instead, from which no environment runs; nothing is resolved.

    Raises:
        PipelineError: No image has been built, the registry refused, or (in a workflow) the image was not scanned.
    """
    environment = environments.load(environment_name)
    record = appimage.current()
    if preview:
        image = _push(environment, record, preview_repository(environment))
        reports.write("push", f"### Pushed for a preview\n\n`{record.version}` is `{image}`.\n")
        return f"{record.version} is {image.short}, for a preview"
    image = _push(environment, record, environment.repository)
    appimage.save(replace(record, repository=image.repository, digest=image.digest))
    environments.resolve(environment, image.digest)
    for name, value in (("repository", image.repository), ("digest", image.digest)):
        github.output(name, value)
    if github.running():
        github.output("sbom", str(sbom.of(record.image_id)))
    reports.write("push", f"### Pushed\n\n`{record.version}` is `{image}`.\n")
    return f"{record.version} is {image.short}"


def registry_is_there(environment_name: str) -> bool:
    """Whether the environment's account has its image registry already; bootstrap makes it early."""
    environment = environments.load(environment_name)
    client = aws.account(environment).client("ecr")
    try:
        client.describe_repositories(repositoryNames=[environment.repository.partition("/")[2]])
    except client.exceptions.RepositoryNotFoundException:
        return False
    return True


def preview_repository(environment: Environment) -> str:
    """Where the images of pull requests go: beside the environment's own, so that none is taken for a release."""
    return f"{environment.repository}-preview"


def _push(environment: Environment, record: appimage.Record, repository: str) -> ImageReference:
    """The pushed image under its real name, wherever the registry was reached."""
    account = aws.account(environment)
    if account.local:
        # The local registry is reached by address; its repositories have the names of the real ones.
        name = repository.partition("/")[2]
        pushed = imagepush.push(record.image, f"{localaws.registry()}/{name}", record.version)
    else:
        credentials = imagepush.ecr_credentials(account.client("ecr"))
        pushed = imagepush.push(record.image, repository, record.version, credentials)
    return ImageReference(repository, pushed.digest)
