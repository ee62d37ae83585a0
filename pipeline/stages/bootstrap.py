"""The bootstrap stage, once an account: the bucket for Terraform's state, the image registry, the roles of GitHub."""

from pipeline import console, environments
from pipeline.engines import aws, baseimages, state_bucket, terraform, terraform_root


def run(environment_name: str) -> str:
    """Prepares the account of an environment; does nothing more than look when it is prepared.

    Raises:
        PipelineError: The account cannot be used, or Terraform failed.
    """
    environment = environments.load(environment_name)
    account = aws.account(environment)
    settings = environment.raw["aws"]
    account_id, region = str(settings["account_id"]), str(settings.get("region", "us-east-1"))
    # A local account is thrown away as a whole; nothing in a real one may be.
    variables = {"disposable": "true"} if account.local else {}
    root = terraform_root.bootstrap_root(account_id, region, account.environ, variables)
    state_bucket.ensure(root.bucket, region, account.environ)
    if account.local:
        # What stands behind the local RDS; the real one brings its own.
        baseimages.ensure_postgres_image()
    with console.progress("bootstrap of the account") as step:
        plan = terraform.plan(root, show=step.update)
        if not plan.changed:
            return "the account is prepared"
        applied = terraform.apply(plan, show=step.update)
    return f"{len(applied.seconds)} resources made"
