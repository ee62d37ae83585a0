"""Requests lost on ECS during a deployment, a rollback and the end of a task, at a constant rate.

It disturbs the service that `./inv deploy` made on the local AWS through the API alone, and leaves it as it was.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from pipeline.aws import account as aws
from pipeline.benchmarks import load
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.locks import exclusive
from pipeline.core.waiting import wait
from pipeline.releases import environments
from pipeline.targets import ecs
from pipeline.terraform import roots

RATE = 100
#: The fewest requests over each of the three disturbances.
REQUESTS = 3_400
#: Within this a disturbance must be over; the longest one, a rollback, waits for two failed tasks.
PATIENCE = 180
MILLISECONDS = 1000
#: What a task definition is registered with.
COPIED = {
    *("family", "taskRoleArn", "executionRoleArn", "networkMode", "volumes", "cpu", "memory"),
    *("requiresCompatibilities", "runtimePlatform", "containerDefinitions"),
}


def run() -> str:
    """Raises PipelineError where nothing is deployed, a disturbance did not end, or a request failed."""
    environment = environments.load(environments.LOCAL_ENVIRONMENT)
    account = aws.account(environment)
    service = ecs.running(environment, account)
    reached = ecs.reached(environment, account)
    if service is None or reached is None:
        raise PipelineError("nothing is deployed on ECS", next_step="run ./inv deploy first")
    url, _ = reached
    cluster, name = roots.service_names(environment)
    application = roots.base_name(environment)
    client = account.client("ecs")
    target = {"cluster": cluster, "service": name}

    def settled() -> bool:
        services = client.describe_services(cluster=cluster, services=[name])
        deployments = services["services"][0]["deployments"]
        now = ecs.running(environment, account)
        states = [(each["rolloutState"], each["taskDefinition"]) for each in deployments]
        done = states == [("COMPLETED", service.task_definition)]
        return done and now is not None and len(now.running) == now.desired

    def end_a_task() -> None:
        task = client.list_tasks(cluster=cluster, serviceName=name)["taskArns"][0]
        client.stop_task(cluster=cluster, task=task, reason="bench rollout")

    disturbances: dict[str, Callable[[], object]] = {
        "new deployment": lambda: client.update_service(**target, forceNewDeployment=True),
        "failing version, rolled back": lambda: client.update_service(
            **target, taskDefinition=_crashing(client, service.task_definition, application)
        ),
        "task stopped": end_a_task,
    }
    rows: list[tuple[str, float, load.Load]] = []
    with exclusive("deploy"):
        for title, disturb in disturbances.items():
            with console.progress(f"{title}, {RATE} requests a second"):
                rows.append((title, *_measured(url, disturb, settled)))
    return _report(rows)


def _measured(
    url: str, disturb: Callable[[], object], settled: Callable[[], bool]
) -> tuple[float, load.Load]:
    began = time.monotonic()
    with load.constant(f"{url}/", RATE) as seen:
        disturb()
        if not wait(settled, timeout=PATIENCE):
            raise PipelineError(
                f"the service was not settled within {PATIENCE} s",
                next_step="./inv status shows what runs; ./inv deploy repairs it",
            )
        took = time.monotonic() - began
        wait(lambda: seen.sent >= REQUESTS, timeout=REQUESTS / RATE + PATIENCE)
    return took, seen


def _crashing(client: Any, task_definition: str, application: str) -> str:
    """A copy of a task definition whose application ends at its start."""
    described = client.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
    kept = {name: value for name, value in described.items() if name in COPIED}
    for container in kept["containerDefinitions"]:
        if container["name"] == application:
            container["command"] = ["python", "-c", "raise SystemExit('the turkey has burnt')"]
    made = client.register_task_definition(**kept)["taskDefinition"]["taskDefinitionArn"]
    # Inactive, it still serves this one deployment, and nobody deploys it again.
    client.deregister_task_definition(taskDefinition=made)
    return str(made)


def _report(rows: list[tuple[str, float, load.Load]]) -> str:
    lines = []
    for name, took, seen in rows:
        cuts = statistics.quantiles(seen.seconds, n=100)
        times = (f"{cuts[49] * MILLISECONDS:.0f} ms", f"{cuts[98] * MILLISECONDS:.0f} ms")
        lines.append((name, f"{took:.1f} s", str(seen.sent), str(len(seen.failures)), *times))
    console.table(("across", "settled after", "requests", "failed", "median", "p99"), lines)
    sent = sum(seen.sent for _, _, seen in rows)
    failures = [failure for _, _, seen in rows for failure in seen.failures]
    if failures:
        raise PipelineError(
            f"{len(failures)} of {sent} requests failed: {', '.join(failures[:3])}",
            next_step="read .local/logs/localaws.log beside the seconds",
        )
    return f"{sent} requests at {RATE} a second, none failed"
