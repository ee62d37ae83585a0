"""Pushes the image that was built and scanned to a registry; from then on it is a digest."""

from dataclasses import replace

from pipeline.attestations import admission, signer
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.commands import Result
from pipeline.github import actions
from pipeline.images import app as app_image
from pipeline.images import push
from pipeline.releases import environments
from pipeline.releases.image_reference import ImageReference
from pipeline.scanners import sbom


def run(environment_name: str, *, preview: bool = False) -> Result:
    """Pushes the image; this machine's environment runs it from then on, unless it is a preview's."""
    environment = environments.load(environment_name)
    record = app_image.current()
    repository = preview_repository(environment) if preview else environment.repository
    account = aws.account(environment)
    place, credentials = registry.reached(account, repository)
    pushed = push.push(record.image, place, record.version, credentials)
    image = ImageReference(repository, pushed.digest)
    headline, report = f"{record.version} is {image.short}", f"`{record.version}` is `{image}`.\n"
    if preview:
        return Result(f"{headline}, for a preview", f"### Pushed for a preview\n\n{report}")
    attested = admission.attest(account, image, record)
    app_image.save(replace(record, repository=image.repository, digest=image.digest))
    environments.remember(environment, image.digest)
    outputs = {"repository": image.repository, "digest": image.digest}
    off = actions.switched_off("ATTESTATIONS", "The attestation of the image")
    if actions.running():
        outputs["sbom"] = str(sbom.of(record.image_id))
    return Result(
        f"{headline}; {attested}",
        "\n".join([f"### Pushed\n\n{report}\nIt is {attested}.\n", *off]),
        outputs,
    )


def registry_is_there(environment_name: str) -> bool:
    """Whether the environment's account has its image registry, and what signs; bootstrap makes both early."""
    environment = environments.load(environment_name)
    account = aws.account(environment)
    client = account.client("ecr")
    try:
        client.describe_repositories(repositoryNames=[environment.repository.partition("/")[2]])
    except client.exceptions.RepositoryNotFoundException:
        return False
    return signer.is_ready(account, environment.repository)


def preview_repository(environment: environments.Environment) -> str:
    """Where the images of pull requests go: beside the environment's own, so that none is taken for a release."""
    return f"{environment.repository}-preview"
