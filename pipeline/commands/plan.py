"""Plans an environment: what an apply would change, what that costs a month; saves the plan for the apply."""

import tempfile
from pathlib import Path

from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.git import repository as git
from pipeline.releases import acknowledgements, environments, history
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import PLACEHOLDER
from pipeline.terraform import cost, plan_summary, roots, state_bucket
from pipeline.terraform import run as terraform


def run(environment_name: str, *, digest: str | None = None, lock: bool = True) -> Result:
    """Prints summary and monthly cost. Without ``lock``: a review by the state, which refuses what an apply would."""
    environment = environments.resolved(environment_name)
    if not lock and digest is None and environment.digest is None:
        console.info(f"  nothing is released to {environment_name} yet: planned with a placeholder")
        digest = PLACEHOLDER
    if environments.waits_for_release(environment, digest):
        return Result(environments.unreleased(environment_name))
    digest = digest or environment.image.digest
    if lock:
        folder = environments.plan_folder(environment_name)
        return _plan(environments.resolve(environment, digest, folder), lock=True)
    # Nothing that a review writes is there for another command.
    with tempfile.TemporaryDirectory() as review:
        return _plan(environments.resolve(environment, digest, Path(review)), lock=False)


def _plan(environment: Environment, *, lock: bool) -> Result:
    account = aws.account(environment)
    root = roots.environment_root(environment, account.environ)
    if lock or (not account.local and _brings(environment)):
        admission.require(account, environment.image)
    elif account.local:
        # Nobody bootstraps the local AWS on the runner of a fork's pull request: it plans against an empty state.
        state_bucket.ensure(root.bucket, root.region, account)
    with console.progress(f"terraform plan {environment.name}") as step:
        plan = terraform.plan(root, lock=lock, refresh=lock, show=step.update)
    summary = plan_summary.show(plan.document, environment.name)
    markdown = plan_summary.as_markdown(summary)
    estimate = None
    if plan.document is not None:
        estimate = cost.of_plan(plan.document, root.region, environment.raw["aws"])
        console.info(f"\n{cost.as_text(estimate)}")
        markdown = plan_summary.as_markdown(summary, extra=cost.as_markdown(estimate))
    if not lock:
        try:
            meant = acknowledgements.committed(environment.name)
            plan_summary.require_acknowledgement(summary, meant)
            if estimate:
                cost.require_within_budget(estimate, environment.name, meant)
        except PipelineError as error:
            error.report = markdown
            raise
    return Result(summary.headline, markdown)


def _brings(environment: Environment) -> bool:
    """Whether what is reviewed gives the environment another image: Argo CD takes it as soon as it is merged."""
    if environment.digest == PLACEHOLDER:
        return False
    try:
        before = git.show(git.before_head(), history.path(environment.name))
    except CommandFailedError:  # there was no such environment
        return True
    return str(environment.digest) not in before
