"""The apply stage: exactly the saved plan; afterwards AWS itself is asked whether what runs is what was wanted."""

from collections.abc import Collection

from pipeline.aws import account as aws
from pipeline.aws import ecs
from pipeline.aws.account import Account
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.locks import exclusive
from pipeline.releases import acknowledgements, environments
from pipeline.releases.environments import Environment
from pipeline.targets import ecs as ecs_target
from pipeline.terraform import plan_summary, roots
from pipeline.terraform import run as terraform
from pipeline.terraform.errors import TerraformError


def run(environment_name: str, *, acknowledged: Collection[str] = ()) -> str:
    """Applies the plan that ``plan`` saved, and checks the running tasks.

    Args:
        acknowledged: Addresses of resources whose destruction or replacement is meant.

    Raises:
        PipelineError: There is no plan, it is stale, it would destroy what was not acknowledged, AWS refused, or
            ECS has rolled the deployment back; the cause then ends with the last words of the container that failed.
    """
    environment = environments.resolved(environment_name)
    with exclusive(f"apply-{environment_name}"):
        account = aws.account(environment)
        root = roots.environment_root(environment, account.environ)
        plan = terraform.saved_plan(root)
        result = "nothing to change"
        if plan.changed:
            summary = plan_summary.summarise(plan.document, environment_name)
            meant = {*acknowledged, *acknowledgements.committed(environment_name)}
            plan_summary.require_acknowledgement(summary, meant)
            try:
                with console.progress(f"terraform apply {environment_name}") as step:
                    completed = terraform.apply(plan, show=step.update)
            except TerraformError as error:
                if not error.about_service:
                    raise
                _show_failure(environment, account)
                service = ecs_target.running(environment, account)
                problem = _rolled_back(environment, account, service) if service else None
                raise problem or error from error
            result = f"{completed} resources changed"
        service = ecs_target.running(environment, account)
        if service is None:
            raise PipelineError(
                f"{environment.name} has no running service",
                next_step="run ./inv plan and ./inv apply",
            )
        problem = _rolled_back(environment, account, service)
        if problem:
            _show_failure(environment, account)
            raise problem
        return result


def _rolled_back(
    environment: Environment, account: Account, service: ecs.Service
) -> PipelineError | None:
    """Why the running tasks are not the wanted ones; None when they are.

    Terraform alone does not tell: a service that was rolled back is steady, too.
    """
    wanted = environment.image.digest
    if service.digests == {wanted} and len(service.running) >= service.desired:
        return None
    seen = ", ".join(sorted(digest[7:19] or "unknown" for digest in service.digests)) or "nothing"
    failure = _failure(environment, account)
    why = f" ({failure[0]})" if failure else ""
    return PipelineError(
        f"ECS runs {seen} in {len(service.running)} of {service.desired} tasks, not {wanted[7:19]}{why};"
        " an image that does not become healthy is rolled back and the old one keeps serving",
        next_step="read the container's last lines above, mend the image, then build, plan and apply again",
    )


def _show_failure(environment: Environment, account: Account) -> None:
    lines = _failure(environment, account)
    if lines:
        console.out.rule("what the failed task said last", align="left")
        for line in lines:
            console.info(f"  {line}")


def _failure(environment: Environment, account: Account) -> list[str]:
    names = ecs_target.names(environment)
    return ecs.last_failure(
        account.client("ecs"), account.client("logs"), names.cluster, names.service, names.log_group
    )
