"""Finds what runs differently from what Git says: on ECS by a plan, on Kubernetes by Argo CD."""

from pipeline import targets
from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.github import actions
from pipeline.releases import environments
from pipeline.targets import ecs, kubernetes
from pipeline.targets.state import disagreement
from pipeline.terraform import drift, plan_summary, roots
from pipeline.terraform import run as terraform


def run(environment_name: str) -> Result:
    """Compares an environment with its desired state; changes nothing and takes no lock."""
    environment = environments.resolved(environment_name)
    waits = environments.waits_for_release(environment)
    differences, report = ([], "") if waits else _ecs(environment)
    compared = True
    if not (waits and actions.running()):
        lines, compared = kubernetes.drift(environment_name)
        differences += lines
        report += "".join(f"\n- {markdown.inline(line)}" for line in lines)
    if not actions.running():  # a workflow's account sees Argo CD's findings alone
        engines = {name: targets.find(name).observe(environment) for name in targets.DEPLOYED}
        if differing := disagreement(engines):
            differences.append(differing)
            report += f"\n- {differing}"
    if differences:
        raise PipelineError(
            f"{len(differences)} differences from Git in {environment_name}: {', '.join(differences[:5])}",
            next_step="apply what Git says (./inv plan, ./inv apply, ./inv sync), or change Git",
            report=report,
        )
    if waits:
        return Result(environments.unreleased(environment_name))
    scope = "" if compared else "; Kubernetes: NOT COMPARED"
    return Result(f"{environment_name} is what Git says{scope}", report)


def _ecs(environment: environments.Environment) -> tuple[list[str], str]:
    """The differences on ECS, and the report with them; nothing where the local AWS is not in use."""
    account = aws.existing_account(environment)
    if account is None:
        return [], ""
    root = roots.environment_root(environment, account.environ)
    if account.local and not terraform.has_state(root):
        # In a real account an empty state is the worst of all differences; here the other target is in use.
        console.info("  ECS: nothing is applied on the local AWS")
        return [], ""
    with console.progress(f"terraform plan {environment.name}") as step:
        plan = terraform.plan(root, lock=False, read=True, show=step.update)
    # ECS itself runs any image; what nobody signed is found here.
    differences = [*drift.differences(plan.document or {}), *ecs.audit(environment)]
    for difference in differences:
        console.info(f"  {difference}")
    summary = plan_summary.summarise(plan.document, environment.name)
    listed = "\n".join(f"- {markdown.inline(difference)}" for difference in differences)
    return differences, plan_summary.as_markdown(summary, extra=listed)
