"""Health of running ECS tasks: a task counts once it is healthy, and is stopped and replaced when it no longer is."""

import logging
import time
from collections.abc import Callable
from typing import Any

from localaws.ecs import endings, history
from localaws.ecs.containers import CONTAINER_NAME
from localaws.elb.health import Health, State
from localaws.elb.targets import Target, Tracker
from localaws.emulator import ecs

logger = logging.getLogger("localaws.supervision")

#: Seconds between two looks at the containers' own health checks of a task that counts.
CONTAINER_INTERVAL = 5.0
#: Seconds that a task without a load balancer must have stayed up to count.
STEADY = 1.0


def watch(tracker: Tracker, count: Callable[[dict[str, Any]], None], task: dict[str, Any]) -> None:
    """Follows a task of a service until it ends; ``count`` is called once, when it is healthy."""
    svc = endings.service_of(task)
    if svc is None:
        return
    grace = time.monotonic() + float(svc.get("healthCheckGracePeriodSeconds") or 0)
    steady = 0.0 if svc.get("loadBalancers") else time.monotonic() + STEADY
    counted, container, look = False, None, 0.0
    while ecs._task_is_active(task["taskArn"], task):
        healths = [(target, tracker.health(target)) for target in _targets(svc, task)]
        if not container or container != "HEALTHY" or time.monotonic() >= look:
            container = _container_health(task)
            look = time.monotonic() + CONTAINER_INTERVAL
        healthy = all(health and health.state is State.HEALTHY for _, health in healths)
        steadied = time.monotonic() >= steady
        if healthy and container in (None, "HEALTHY") and steadied and not counted:
            counted = True
            for target, _ in healths:
                history.event(svc, f"registered 1 targets in (target-group {target.group})")
            count(task)
        if time.monotonic() >= grace and _replaced(svc, task, healths, container):
            return
        tracker.wait(1.0)


def _replaced(
    svc: dict[str, Any],
    task: dict[str, Any],
    healths: list[tuple[Target, Health | None]],
    container: str | None,
) -> bool:
    """Whether the task was unhealthy, so that it has been stopped and counted as a failure."""
    who = f"(task {history.short_id(task)})"
    for target, health in healths:
        if health and health.state is State.UNHEALTHY:
            group = f"(target-group {target.group})"
            why = f"due to (reason {health.description})."
            history.event(svc, f"{who} (port {target.port}) is unhealthy in {group} {why}")
            _stop_and_count(task, f"Task failed ELB health checks in {group}")
            return True
    if container == "UNHEALTHY":
        history.event(svc, f"{who} failed container health checks.")
        _stop_and_count(task, "Task failed container health checks")
        return True
    return False


def _stop_and_count(task: dict[str, Any], reason: str) -> None:
    if endings.begin_stop(task, reason, "ServiceSchedulerInitiated"):
        ecs._record_service_task_failure(task)


def _targets(svc: dict[str, Any], task: dict[str, Any]) -> list[Target]:
    """The task's registrations; a task whose address is not known yet has one that is never healthy."""
    address = ecs._task_ip(task) or "unknown"
    return [
        Target(balanced["targetGroupArn"], address, int(balanced.get("containerPort", 80)))
        for balanced in svc.get("loadBalancers") or []
        if balanced.get("targetGroupArn")
    ]


def _container_health(task: dict[str, Any]) -> str | None:
    """HEALTHY, UNHEALTHY or UNKNOWN by the containers' own health checks; None when the task defines none."""
    checks = task.get("_health_checks") or {}
    if not checks:
        return None
    client = ecs._get_docker()
    states: dict[str, str] = {}
    try:
        for container_id in task.get("_docker_ids") or []:
            container = client.containers.get(container_id)
            name = container.labels.get(CONTAINER_NAME)
            if name in checks:
                states[name] = _own_health(container, checks[name])
    except Exception as error:  # noqa: BLE001 - docker-py raises what the transport raises
        logger.debug("container health of %s: %s", history.short_id(task), error)
        return "UNKNOWN"  # the container is just ending; its end is watched elsewhere
    for container in task["containers"]:
        if container["name"] in states:
            container["healthStatus"] = states[container["name"]]
    worst = (state for state in ("UNHEALTHY", "UNKNOWN") if state in states.values())
    task["healthStatus"] = next(worst, "HEALTHY" if states else "UNKNOWN")
    return str(task["healthStatus"])


def _own_health(container: Any, check: dict[str, Any]) -> str:
    status = container.attrs["State"].get("Health", {}).get("Status", "starting")
    if status == "starting":
        # Docker's first check comes only after a whole interval: check now, so that a start is as fast as it is.
        kind, *command = check["command"]
        argv = ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command
        return "HEALTHY" if container.exec_run(argv).exit_code == 0 else "UNKNOWN"
    return {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}.get(status, "UNKNOWN")
