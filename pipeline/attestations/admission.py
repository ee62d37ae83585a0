"""Signs what is pushed, and admits only what is signed, and was built and scanned as it must be."""

from typing import Any

from pipeline.attestations import bundle, signer, statements, verdict
from pipeline.attestations.verdict import Expected
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.aws.account import Account
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.github import actions
from pipeline.images import app as app_image
from pipeline.images import referrers
from pipeline.images.registries import Credentials
from pipeline.kubernetes.cluster import CONTEXT_FILE
from pipeline.releases import environments
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference


def attest(account: Account, image: ImageReference, record: app_image.Record) -> str:
    """Signs an image that was just pushed, with all that is known of it; returns that in words.

    What is well attested already is not attested again: a bundle is for good.
    """
    contents, own = _attested(account, image)
    there, _ = verdict.statements_of(contents, own, image)
    wanted = expected(account)
    made = {
        kind: predicate
        for kind, predicate in statements.known(record).items()
        if all(fault for _, fault in verdict.judged(there, kind, wanted))
    }
    if not made:
        return "attested before"
    with console.progress("sign the image"):
        bundles = {
            kind: own.sign(statements.statement(image, kind, predicate))
            for kind, predicate in made.items()
        }
    place, credentials = _place(account, image)
    with console.progress("attach what is attested"):
        for kind, content in bundles.items():
            annotations = {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": kind,
            }
            referrers.attach(place, bundle.TYPE, content, annotations, credentials)
    names = ", ".join(verdict.CHECKS[kind][0] for kind in made)
    return f"attested: {names}"


def require(account: Account, image: ImageReference) -> None:
    """Raises PipelineError where the image is not where it will be pulled from, or may not be used."""
    registry.require(account, image)
    with console.progress("verify what is attested"):
        if reasons := refusals(account, image):
            raise PipelineError(
                f"{image} is refused: {'; '.join(reasons)}",
                next_step="release an image that a merge to main has built, scanned and signed"
                if expected(account).strict
                else "run ./inv push again, or name an image that was pushed here",
            )


def require_here(environment: Environment, digest: str) -> None:
    """As ``require``: in a workflow in the environment's account, else in this machine's, where its cluster pulls.

    Where this machine's does not run, or the cluster is the user's own and pulls from elsewhere, that is said.
    """
    if place := _here(environment, digest):
        require(*place)


def lacks_here(environment: Environment, digest: str) -> list[str]:
    """Why ``require_here`` would refuse, one line each."""
    place = _here(environment, digest)
    if place is None:
        return []
    try:
        registry.require(*place)
    except PipelineError as error:
        return [error.cause]
    return refusals(*place)


def refusals(account: Account, image: ImageReference) -> list[str]:
    """Why an image may not be used, one line each; empty where it may."""
    return verdict.judge(*_attested(account, image), image, expected(account))


def provenance(account: Account, image: ImageReference) -> dict[str, Any]:
    """How an image was built, as its signed provenance says; raises PipelineError where it has none."""
    trusted, wrong = verdict.statements_of(*_attested(account, image), image)
    for predicate, fault in verdict.judged(trusted, statements.PROVENANCE, expected(account)):
        if not fault:
            return predicate
        wrong.append(fault)
    raise PipelineError(
        f"{image} has no provenance that can be trusted{''.join(f'; {why}' for why in wrong)}",
        next_step="name a digest that ./inv push has signed",
    )


def provenance_here(environment: Environment, digest: str) -> dict[str, Any]:
    """As ``provenance``, where ``require_here`` asks; raises PipelineError also where that does not run."""
    account, image, missing = _place_here(environment, digest)
    if account is None:
        raise PipelineError(missing, next_step="run ./inv deploy --to kubernetes")
    return provenance(account, image)


def expected(account: Account) -> Expected:
    """What holds in an account: workflows and real accounts take what the main branch of this repository has built."""
    if account.local and not actions.running():
        return Expected(strict=False)
    return Expected(app_image.source(), actions.repository_id())


def _here(environment: Environment, digest: str) -> tuple[Account, ImageReference] | None:
    account, image, missing = _place_here(environment, digest)
    if account is None:
        console.warn(f"{digest[7:19]}: signature NOT CHECKED, {missing}")
        return None
    return account, image


def _place_here(
    environment: Environment, digest: str
) -> tuple[Account | None, ImageReference, str]:
    """The account that is asked for an image here, with the image's name in it; without one, why there is none."""
    if actions.running() and environment.name != environments.LOCAL_ENVIRONMENT:
        return aws.account(environment), ImageReference(environment.repository, digest), ""
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    account, image = aws.existing_account(local), ImageReference(local.repository, digest)
    if account is None:
        return None, image, "the local AWS does not run"
    if CONTEXT_FILE.is_file():
        return None, image, "the cluster is your own"
    return account, image, ""


def _attested(account: Account, image: ImageReference) -> tuple[list[bytes], signer.Signer]:
    """All bundles of an image, whoever signed them, and the signer that counts."""
    place, credentials = _place(account, image)
    own = signer.find(account, image.repository)
    return referrers.attached(place, bundle.TYPE, credentials), own


def _place(account: Account, image: ImageReference) -> tuple[ImageReference, Credentials | None]:
    """The image as its registry is reached from here, with credentials."""
    repository, credentials = registry.reached(account, image.repository)
    return ImageReference(repository, image.digest), credentials
