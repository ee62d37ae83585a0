"""The drift stage: what runs differently from what Git says, on ECS (a plan) and on Kubernetes (Argo CD)."""

from pipeline.aws import account as aws
from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.github import reports
from pipeline.releases import environments
from pipeline.releases.environments import Environment
from pipeline.targets import kubernetes as kubernetes_target
from pipeline.terraform import drift as terraform_drift
from pipeline.terraform import plan_summary, roots
from pipeline.terraform import run as terraform


def run(environment_name: str) -> str:
    """Compares an environment with its desired state; changes nothing and takes no lock.

    Raises:
        PipelineError: Something differs (each resource is named above), or a comparison could not be made.
    """
    environment = environments.resolved(environment_name)
    found = _ecs(environment)
    found += kubernetes_target.drift(environment_name)
    if found:
        raise PipelineError(
            f"{len(found)} differences from Git in {environment_name}: {', '.join(found[:5])}",
            next_step="apply what Git says (./inv plan, ./inv apply, ./inv sync), or change Git",
        )
    return f"{environment_name} is what Git says"


def _ecs(environment: Environment) -> list[str]:
    account = aws.existing_account(environment)
    if account is None:
        return []
    root = roots.environment_root(environment, account.environ)
    if account.local and not terraform.has_state(root):
        # In a real account an empty state is the worst of all differences; here the other target is in use.
        console.info("  ECS: nothing is applied on the local AWS")
        return []
    with console.progress(f"terraform plan {environment.name}") as step:
        plan = terraform.plan(root, lock=False, read=True, show=step.update)
    differences = terraform_drift.differences(plan.document or {})
    for difference in differences:
        console.info(f"  {difference}")
    summary = plan_summary.summarise(plan.document, environment.name)
    told = "\n".join(f"- {markdown.code(str(one))}" for one in differences)
    reports.write(f"drift-{environment.name}", plan_summary.as_markdown(summary, extra=told))
    return [str(difference) for difference in differences]
