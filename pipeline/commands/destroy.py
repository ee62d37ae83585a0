"""Destroys all that Terraform made for an environment, if it is not protected."""

import tempfile
from pathlib import Path

from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.locks import exclusive
from pipeline.releases import environments, history
from pipeline.releases.image_reference import PLACEHOLDER
from pipeline.terraform import plan_summary, roots
from pipeline.terraform import run as terraform


def run(environment_name: str, *, confirm: str) -> Result:
    environment = environments.planned(environments.resolved(environment_name))
    if confirm != environment_name:
        raise PipelineError(
            f"destroying {environment_name} was not confirmed by its name",
            next_step=f"if all of {environment_name} is to be lost, add --confirm {environment_name}",
        )
    if environment.raw["aws"].get("deletion_protection", True):
        raise PipelineError(
            f"{environment_name} is protected against deletion",
            next_step=f"set aws.deletion_protection: false in {history.path(environment_name)} and apply that first",
        )
    with exclusive(f"apply-{environment_name}"), tempfile.TemporaryDirectory() as folder:
        if environment.digest is None:
            # The first deployment may have failed half-way.
            environment = environments.resolve(environment, PLACEHOLDER, Path(folder))
        account = aws.account(environment)
        root = roots.environment_root(environment, account.environ)
        with console.progress(f"terraform destroy {environment_name}") as step:
            plan = terraform.plan(root, destroy=True, show=step.update)
            plan_summary.require_deletable(plan_summary.show(plan.document, environment_name))
            destroyed = terraform.apply(plan, show=step.update)
    return Result(f"{destroyed} resources destroyed")
