"""The verify stage: the URL answers with the digest that was deployed, from every replica."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.aws import account as aws
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.targets import compose as compose_target
from pipeline.targets import ecs as ecs_target
from pipeline.targets import journeys, web
from pipeline.targets import kubernetes as kubernetes_target

#: Seconds for every replica to have answered. Much more than it takes; a verify that fails should be believed.
PATIENCE = 60


def run(
    environment_name: str,
    *,
    to: str = "ecs",
    digest: str | None = None,
    journeys_too: bool = False,
) -> str:
    """Checks an environment on one target and returns its URL; raises PipelineError as the target's check does.

    Args:
        journeys_too: Afterwards do there what an organiser and guests do, over plain HTTP.
    """
    if to not in TARGETS:
        raise PipelineError(
            f"there is no target {to!r} to verify", next_step=f"choose one of: {', '.join(TARGETS)}"
        )
    url, via = TARGETS[to](environment_name, digest)
    if journeys_too:
        journeys.run(url, via)
    return url


def ecs(environment_name: str, digest: str | None = None) -> web.Reached:
    """Checks an environment on ECS and returns its URL and how that is reached.

    Args:
        digest: The digest that must run; the one of the service's task definition when None.

    Raises:
        PipelineError: Nothing is deployed, another digest answers, or fewer replicas than wanted do.
    """
    environment = environments.load(environment_name)
    account = aws.existing_account(environment)
    if account is None:
        raise PipelineError("the local AWS does not run", next_step="run ./inv deploy first")
    reached = ecs_target.reached(environment, account)
    if reached is None:
        raise PipelineError(
            f"{environment_name} has no load balancer", next_step="run ./inv deploy first"
        )
    state = ecs_target.observe(environment)
    if state is None:
        raise PipelineError(
            f"{environment_name} has no service", next_step="run ./inv deploy first"
        )
    check(*reached, digest or state.image.partition("@")[2], environment.replicas)
    return reached


def kubernetes(environment_name: str, digest: str | None = None) -> web.Reached:
    """Checks an environment on Kubernetes and returns its URL.

    Args:
        digest: The digest that must run; the one of the Deployment when None.

    Raises:
        PipelineError: Nothing is deployed, another digest answers, or fewer replicas than wanted do.
    """
    environment = environments.load(environment_name)
    state = kubernetes_target.observe(environment_name)
    if state is None or not state.url:
        raise PipelineError(
            f"{environment_name} does not run on Kubernetes",
            next_step="run ./inv deploy --to kubernetes first",
        )
    check(state.url, None, digest or state.image.partition("@")[2], environment.replicas)
    return state.url, None


def compose() -> str:
    """Waits until the service under Compose is ready, and returns its URL.

    Raises:
        PipelineError: It is not within the patience; the cause ends with the log's last line.
    """

    def enough(by_host: Mapping[str, Mapping[str, Any]]) -> bool:
        return bool(by_host) and web.is_ready(compose_target.URL)

    with console.progress(f"verify {compose_target.URL}") as step:
        answers = web.gather(
            compose_target.URL, enough=enough, timeout=PATIENCE, on_answer=step.update
        )
        if not enough(answers.by_host):
            lines = compose_target.last_lines()
            raise PipelineError(
                f"the application under Compose is not ready: {lines[-1] if lines else answers.problem}",
                next_step="mend what it says; the service reloads the code by itself",
            )
    return compose_target.URL


def check(url: str, via: web.Via | None, digest: str, replicas: int) -> None:
    """Asks until ``replicas`` hostnames have answered with ``digest``.

    Raises:
        PipelineError: They have not within the patience; the cause says who answered with what.
    """

    def enough(by_host: Mapping[str, Mapping[str, Any]]) -> bool:
        return len([1 for answer in by_host.values() if answer.get("image") == digest]) >= replicas

    with console.progress(f"verify {url}") as step:
        answers = web.gather(url, via, enough=enough, timeout=PATIENCE, on_answer=step.update)
        if not enough(answers.by_host):
            heard = ", ".join(
                f"{host} runs {str(answer.get('image'))[7:19]}"
                for host, answer in answers.by_host.items()
            )
            raise PipelineError(
                f"{replicas} replicas of {digest[7:19]} were wanted, heard: {heard or 'nobody'}"
                + (f"; last problem: {answers.problem}" if answers.problem else ""),
                next_step="run ./inv status, then read the application's log",
            )
        if not web.is_ready(url, via):
            raise PipelineError(
                f"{url}/readyz does not answer 200",
                next_step="open that address: it says what is not ready",
            )


#: How each target is verified: environment and wanted digest in, URL and way out.
TARGETS: dict[str, Callable[[str, str | None], web.Reached]] = {
    "ecs": ecs,
    "kubernetes": kubernetes,
}
