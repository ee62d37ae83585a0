"""The bootstrap stage, once an account: the bucket for Terraform's state, the image registry, the roles of GitHub."""

import re

from pipeline.aws import account as aws
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.images import bases as baseimages
from pipeline.releases import environments
from pipeline.terraform import plan_summary, roots, state_bucket
from pipeline.terraform import run as terraform

GITHUB = "https://github.com/"


def run(environment_name: str, repository: str | None = None) -> str:
    """Prepares the account of an environment; does nothing more than look when it is prepared.

    Args:
        repository: The GitHub repository (``owner/name``) whose workflows get roles. For a real account it is the
            origin of this checkout when None; the local account has no such roles unless it is given.

    Raises:
        PipelineError: The account cannot be used, the repository is not known, or Terraform failed.
    """
    environment = environments.load(environment_name)
    account = aws.account(environment)
    repository = repository or (None if account.local else _origin())
    root = roots.bootstrap_root(environment, account.environ, repository, disposable=account.local)
    state_bucket.ensure(root.bucket, root.region, account.environ)
    if account.local:
        # What stands behind the local RDS; the real one brings its own.
        baseimages.ensure_postgres_image()
    result = "the account is prepared"
    with console.progress("bootstrap of the account") as step:
        plan = terraform.plan(root, show=step.update)
        if plan.changed:
            summary = plan_summary.summarise(plan.document, "bootstrap")
            plan_summary.require_acknowledgement(summary, ())
            completed = terraform.apply(plan, show=step.update)
            result = f"{completed} resources made"
    if repository:
        _tell(terraform.output(root))
    return result


def _origin() -> str:
    """``owner/name`` of this checkout's origin on GitHub."""
    name = git.web_address().removeprefix(GITHUB)
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", name):
        raise PipelineError(
            "this checkout's origin is not on GitHub, so the roles of its workflows cannot be made",
            next_step="name the repository: --repository owner/name",
        )
    return name


def _tell(outputs: dict[str, object]) -> None:
    """Prints the commands that tell GitHub the roles; docs/github.md has the rest."""
    console.info("Tell GitHub the roles (docs/github.md):")
    console.info(f"  gh variable set AWS_PLAN_ROLE_ARN --body {outputs['plan_role_arn']}")
    console.info(
        f"  gh variable set AWS_PREVIEW_ROLE_ARN --env preview --body {outputs['preview_role_arn']}"
    )
    roles = outputs["apply_role_arns"]
    assert isinstance(roles, dict)  # noqa: S101 - the output's type
    for environment, arn in sorted(roles.items()):
        console.info(f"  gh variable set AWS_APPLY_ROLE_ARN --env {environment} --body {arn}")
