"""The target ``ecs``: what an environment's service runs, and where a user reaches it."""

import contextlib
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.aws import account as aws
from pipeline.aws import ecs, localaws
from pipeline.aws.account import Account
from pipeline.git import repository as git
from pipeline.releases.environments import Environment
from pipeline.targets import web
from pipeline.targets.state import State, seconds_since


@dataclass(frozen=True)
class Names:
    """Names of an environment's resources by the rule of the Terraform module ``settings``."""

    cluster: str
    service: str
    balancer: str
    log_group: str
    container: str


def names(environment: Environment) -> Names:
    """The names: ``ecs-saas-app``, with ``aws.name_suffix`` where several environments share an account."""
    suffix = environment.raw["aws"].get("name_suffix")
    base = f"ecs-saas-app-{suffix}" if suffix else "ecs-saas-app"
    return Names(f"{base}-cluster", f"{base}-service", f"{base}-alb", f"/ecs/{base}", base)


def reached(environment: Environment, account: Account) -> web.Reached | None:
    """Where the application answers, or None when there is no load balancer.

    On the local AWS all load balancers share their doors, so there it is said which one is meant.
    """
    host = _balancer_host(environment, account)
    if host is None:
        return None
    domain = environment.raw["aws"].get("load_balancer", {}).get("domain")
    if account.local:
        return localaws.url(https=bool(domain)), web.Via(host, localaws.AUTHORITY)
    return (f"https://{domain}" if domain else f"http://{host}"), None


def running(environment: Environment, account: Account) -> ecs.Service | None:
    """The service as the API shows it now."""
    wanted = names(environment)
    return ecs.service(account.client("ecs"), wanted.cluster, wanted.service, wanted.container)


def observe(environment: Environment) -> State | None:
    """What the environment runs now; None when it is not up. Starts nothing."""
    account = aws.existing_account(environment)
    if account is None:
        return None
    service = running(environment, account)
    found = reached(environment, account)
    if service is None or found is None:
        return None
    address, via = found
    container = names(environment).container
    image = ecs.image_of(account.client("ecs"), service.task_definition, container)
    wanted_digest = image.partition("@")[2]
    answer: dict[str, Any] = {}
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = web.ask(address, via)
    return State(
        url=address,
        image=image,
        version=str(answer.get("version", "")),
        healthy=web.is_ready(address, via)
        and service.digests == {wanted_digest}
        and len(service.running) >= service.desired,
        replicas=len(service.running),
        revision=answer.get("commit"),
        wanted_revision=git.revision() if account.local else None,
        age=seconds_since(service.deployed_at) if service.deployed_at else None,
    )


def _balancer_host(environment: Environment, account: Account) -> str | None:
    client: Any = account.client("elbv2")
    try:
        found = client.describe_load_balancers(Names=[names(environment).balancer])
    except client.exceptions.LoadBalancerNotFoundException:
        return None
    return str(found["LoadBalancers"][0]["DNSName"]) if found["LoadBalancers"] else None
