"""The target ``ecs``: an account with a registry, a saved Terraform plan to apply, and a service behind a balancer."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.aws import ecs, identity_provider, localaws, registry
from pipeline.aws.account import Account
from pipeline.core import cache, console, markdown
from pipeline.core.errors import PipelineError
from pipeline.core.locks import exclusive
from pipeline.core.waiting import wait
from pipeline.git import repository as git
from pipeline.images import catalogue
from pipeline.releases import acknowledgements, environments
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import DIGEST, ImageReference
from pipeline.releases.project import at
from pipeline.targets import web
from pipeline.targets.state import State, seconds_since
from pipeline.terraform import cost, plan_summary, roots, state_bucket
from pipeline.terraform import run as terraform
from pipeline.terraform.errors import TerraformError

STAGES = {
    "test": (),
    "account": (),
    "build": (),
    "scan": ("build",),
    "push": ("account", "scan"),
    "plan": ("push",),
    "apply": ("plan", "test"),
    "verify": ("apply",),
}
#: Seconds that tasks which auto scaling has asked for may take to start, and between two looks at them.
STARTED_SECONDS, POLL_SECONDS = 180, 3
MISSING = "run ./inv deploy, or ./inv plan and ./inv apply"


def prepare(
    environment: Environment,
    repository: roots.GitHubRepository | None = None,
    acknowledged: Collection[str] = (),
) -> str:
    """Prepares the account: state bucket, image registry and, for a GitHub repository, the roles of its workflows."""
    account = aws.account(environment)
    root = roots.bootstrap_root(environment, account.environ)
    state_bucket.ensure(root.bucket, root.region, account)
    trusted = None if repository else terraform.output(root).get("github_repository")
    # Where none is named, the roles stay those of the repository that has them.
    trusting = roots.GitHubRepository(**trusted) if trusted else repository
    root = roots.bootstrap_root(
        environment,
        account.environ,
        trusting,
        disposable=account.local,
        shared_provider=trusting is not None and identity_provider.is_shared(account),
    )
    if account.local:
        # What stands behind the local RDS; the real one brings its own.
        catalogue.provide("postgres")
    headline = "the account is prepared"
    with console.progress("bootstrap of the account") as step:
        plan = terraform.plan(root, show=step.update)
        if plan.changed:
            summary = plan_summary.show(plan.document, "bootstrap")
            plan_summary.require_acknowledgement(summary, acknowledged)
            terraform.apply(plan, show=step.update)
            headline = f"the account is prepared ({summary.headline})"
    if repository:
        console.info("Set the roles on GitHub: ./inv github-setup (docs/github.md)")
    return headline


def prepared(environment: Environment) -> str:
    """As ``prepare``, but of this machine's account once for the same configuration: nobody else changes it."""
    account = aws.account(environment)
    if not account.local:
        return prepare(environment)
    root = roots.bootstrap_root(environment, account.environ, disposable=True)
    # The local AWS makes its authority with its state, which ./inv down removes.
    key = git.content_key([localaws.AUTHORITY], roots.source_key(root))
    return cache.once("account", key, lambda: prepare(environment))


def deliver(environment: Environment, acknowledged: Collection[str] = ()) -> str:
    """Applies the saved plan, and checks the running tasks; ``acknowledged`` are addresses as in acknowledged.yaml.

    Where ECS has rolled the deployment back the cause of the PipelineError names why the newest task stopped.
    """
    environment = environments.planned(environment)
    with exclusive(f"apply-{environment.name}"):
        account = aws.account(environment)
        root = roots.environment_root(environment, account.environ)
        plan = terraform.saved_plan(root)
        headline, began = "nothing to change", None
        admission.require(account, environment.image)
        registry.keep(account.client("ecr"), environment.image, environment.name)
        if plan.changed:
            summary = plan_summary.summarise(plan.document, environment.name)
            meant = {*acknowledged, *acknowledgements.committed(environment.name)}
            plan_summary.require_acknowledgement(summary, meant)
            bill = cost.of_plan(plan.document or {}, root.region, environment.raw["aws"])
            cost.require_within_budget(bill, environment.name, meant)
            began = datetime.now(UTC) if running(environment, account) else None
            try:
                with console.progress(f"terraform apply {environment.name}") as step:
                    completed = terraform.apply(plan, show=step.update)
            except TerraformError as error:
                service = running(environment, account) if error.about_service else None
                if service:
                    _require_wanted(environment, service)
                raise
            headline = f"{completed} resources changed"
        service = settled(environment, account)
        if service is None:
            raise PipelineError(f"{environment.name} has no running service", next_step=MISSING)
        # Terraform alone does not know: a service that was rolled back is steady, too.
        _require_wanted(environment, service)
        # At first there is nothing to go back to.
        names = roots.service_names(environment)
        if began and ecs.unwatched(account.client("ecs"), *names, since=began):
            console.warn("an alarm was on when the deployment began: ECS has not watched it")
            headline += "; NOT WATCHED by its alarms"
        return headline


def follow(environment: Environment, digest: str) -> str:
    """Brings this machine's environment to a digest where it runs on ECS as well; returns that in words."""
    environments.remember(environment, digest)
    if environment.name != environments.LOCAL_ENVIRONMENT or observe(environment) is None:
        return ""
    folder = environments.plan_folder(environment.name)
    wanted = environments.resolve(environment, digest, folder)
    plan = terraform.plan(roots.environment_root(wanted, aws.account(wanted).environ))
    plan_summary.show(plan.document, environment.name)
    return f"; ECS: {deliver(environment)}"


def observe(environment: Environment) -> State | None:
    """What the service runs, and whether all its tasks run that."""
    account = aws.existing_account(environment)
    if account is None:
        return None
    service = running(environment, account)
    address = reached(environment, account)
    if service is None or address is None:
        return None
    container = roots.base_name(environment)
    image = ecs.image_of(account.client("ecs"), service.task_definition, container)
    answer = web.answer(*address)
    return State(
        url=address[0],
        image=image,
        version=str(answer.get("version", "")),
        healthy=web.is_ready(*address)
        and service.digests == {image.partition("@")[2]}
        and len(service.running) >= service.desired,
        replicas=len(service.running),
        revision=answer.get("commit"),
        wanted_revision=git.revision() if account.local else None,
        age=seconds_since(service.deployed_at) if service.deployed_at else None,
        via=address[1],
    )


def verify(environment: Environment, digest: str | None = None) -> web.Reached:
    """Asks until every replica has answered with the digest; by default that of the task definition."""
    state = observe(environment)
    if state is None:
        raise PipelineError(f"{environment.name} does not run on ECS", next_step=MISSING)
    wanted = digest or state.image.partition("@")[2]
    return web.verify(
        (state.url, state.via),
        wanted,
        environment.replicas,
        lambda: last_lines(environment),
        lambda: (state := observe(environment)) is not None and state.runs(wanted),
        probes=at(environment.revision).probes,
    )


def audit(environment: Environment) -> list[str]:
    """A line for each image that a task of the environment's cluster runs and that would not be deployed to it."""
    account = aws.existing_account(environment)
    if account is None:
        return []
    cluster, _ = roots.service_names(environment)
    running_now = ecs.digests(account.client("ecs"), cluster)
    return [
        f"ECS runs {digest}: {reason}"
        for digest in sorted(running_now)
        for reason in (
            admission.refusals(account, ImageReference(environment.repository, digest))
            if DIGEST.fullmatch(digest)
            else ["it cannot be told which image that is"]
        )
    ]


def last_lines(environment: Environment, refused: str = "") -> list[str]:
    """Why the newest failed task stopped, and the last lines of its log; empty when none failed.

    A task of the digest ``refused`` counts as failed; the alarms that have rolled the service back come first.
    """
    account, name = aws.existing_account(environment), roots.base_name(environment)
    if account is None:
        return []
    clients = account.client("ecs"), account.client("logs")
    service = roots.service_names(environment)
    watch = clients[0], account.client("cloudwatch")
    alarms = ecs.alarmed(*watch, *service) if refused else []
    return [*alarms, *ecs.last_failure(*clients, *service, f"/ecs/{name}", refused=refused)]


def reached(environment: Environment, account: Account) -> web.Reached | None:
    """Where the application answers, or None without a load balancer; those of the local AWS share their ports."""
    host = _balancer_host(environment, account)
    if host is None:
        return None
    domain = environment.raw["aws"].get("load_balancer", {}).get("domain")
    if account.local:
        return localaws.url(https=bool(domain)), web.Via(host, localaws.AUTHORITY)
    return web.at(f"https://{domain}" if domain else f"http://{host}", host)


def running(environment: Environment, account: Account) -> ecs.Service | None:
    """The service as the API shows it now."""
    names, container = roots.service_names(environment), roots.base_name(environment)
    return ecs.service(account.client("ecs"), *names, container)


def settled(environment: Environment, account: Account) -> ecs.Service | None:
    """The service once as many tasks run as are wanted, or ``STARTED_SECONDS`` later.

    Auto scaling asks for more as soon as its range has changed, which is after Terraform has seen the service steady.
    """
    seen: list[ecs.Service | None] = []

    def is_settled() -> bool:
        seen.append(running(environment, account))
        service = seen[-1]
        wanted = environment.image.digest
        if service is None or (service.digests and wanted not in service.digests):
            return True
        return service.digests == {wanted} and len(service.running) >= service.desired

    wait(is_settled, timeout=STARTED_SECONDS, interval=POLL_SECONDS)
    return seen[-1]


def _require_wanted(environment: Environment, service: ecs.Service) -> None:
    wanted = environment.image.digest
    if service.digests == {wanted} and len(service.running) >= service.desired:
        return
    lines = last_lines(environment, wanted)
    if lines:
        console.out.rule("last lines of the failed task", align="left")
        console.info("\n".join(f"  {line}" for line in lines))
    seen = ", ".join(sorted(digest[7:19] or "unknown" for digest in service.digests)) or "nothing"
    why = f" ({lines[0]})" if lines else ""
    raise PipelineError(
        f"ECS runs {seen} in {len(service.running)} of {service.desired} tasks, not {wanted[7:19]}{why};"
        " an image that fails its checks or sets off an alarm is rolled back and the old one keeps serving",
        next_step="read the container's last lines above, fix the image, then build, plan and apply again",
        report=markdown.last_lines("apply", lines),
    )


def _balancer_host(environment: Environment, account: Account) -> str | None:
    client: Any = account.client("elbv2")
    try:
        answer = client.describe_load_balancers(Names=[f"{roots.base_name(environment)}-alb"])
    except client.exceptions.LoadBalancerNotFoundException:
        return None
    return str(answer["LoadBalancers"][0]["DNSName"]) if answer["LoadBalancers"] else None
