"""The push stage: the image that was built and scanned goes to a registry, and is a digest from then on."""

from dataclasses import replace

from pipeline import environments
from pipeline.engines import appimage, aws, github, imagepush, localaws, reports, sbom
from pipeline.environments import Environment
from pipeline.images import ImageReference


def run(environment_name: str) -> str:
    """Pushes the image and resolves the environment to its digest, in ``.local/environments``.

    The same version again is no error: its digest is taken from the registry.

    Raises:
        PipelineError: The image of this work tree is not built, or the registry refused.
    """
    environment = environments.load(environment_name)
    record = appimage.current()
    image = _push(environment, record)
    appimage.save(replace(record, repository=image.repository, digest=image.digest))
    environments.resolve(environment, image.digest)
    bill = sbom.write(record.image_id, record.version)
    for name, value in (("repository", image.repository), ("digest", image.digest)):
        github.output(name, value)
    github.output("sbom", str(bill))
    reports.write("push", f"### Pushed\n\n`{record.version}` is `{image}`.\n")
    return f"{record.version} is {image.short}"


def _push(environment: Environment, record: appimage.Record) -> ImageReference:
    """The pushed image under its real name, wherever the registry was reached."""
    account = aws.account(environment)
    if account.local:
        # The local registry is reached by address; its repositories have the names of the real ones.
        name = environment.repository.partition("/")[2]
        pushed = imagepush.push(record.image, f"{localaws.registry()}/{name}", record.version)
    else:
        credentials = imagepush.ecr_credentials(account.client("ecr"))
        pushed = imagepush.push(record.image, environment.repository, record.version, credentials)
    return ImageReference(environment.repository, pushed.digest)
