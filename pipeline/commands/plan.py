"""Plans an environment: what an apply would change, what that costs a month; saves the plan for the apply."""

from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.releases import acknowledgements, environments
from pipeline.terraform import cost, plan_summary, roots, state_bucket
from pipeline.terraform import run as terraform

#: Stands for the image in a review of an environment to which nothing has been released yet.
PLACEHOLDER = f"sha256:{'0' * 64}"


def run(environment_name: str, *, digest: str | None = None, lock: bool = True) -> Result:
    """Prints summary and monthly cost. Without ``lock`` it is a review, which refuses what an apply would."""
    environment = environments.resolved(environment_name)
    if not lock and digest is None and environment.digest is None:
        console.info(f"  nothing is released to {environment_name} yet: planned with a placeholder")
        digest = PLACEHOLDER
    if environments.waits_for_release(environment, digest):
        return Result(environments.unreleased(environment_name))
    environment = environments.resolve(environment, digest or environment.image.digest)
    account = aws.account(environment)
    root = roots.environment_root(environment, account.environ)
    if account.local and not lock:
        # Nobody bootstraps the local AWS on the runner of a fork's pull request: it plans against an empty state.
        state_bucket.ensure(root.bucket, root.region, account)
    with console.progress(f"terraform plan {environment_name}") as step:
        plan = terraform.plan(root, lock=lock, show=step.update)
    summary = plan_summary.summarise(plan.document, environment_name)
    console.info(plan_summary.as_text(summary))
    markdown = plan_summary.as_markdown(summary)
    if plan.document is not None:
        estimate = cost.estimate(plan.document, root.region)
        console.info(f"\n{cost.as_text(estimate)}")
        markdown = plan_summary.as_markdown(summary, extra=cost.as_markdown(estimate))
    if not lock:
        try:
            meant = acknowledgements.committed(environment_name)
            plan_summary.require_acknowledgement(summary, meant)
        except PipelineError as error:
            error.report = markdown
            raise
    return Result(summary.headline, markdown)
