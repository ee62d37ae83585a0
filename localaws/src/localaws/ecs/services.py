"""ECS services that trust a task only when the load balancer does: rolling deployments, circuit breaker, events.

A task counts for its deployment once it is healthy in every target group of its service (or, without a load balancer,
once it has stayed up); a task that fails its checks is stopped, replaced and counted by the circuit breaker. See
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from localaws import emulator
from localaws.ecs import endings, history, tasks
from localaws.elb.health import State
from localaws.elb.targets import Target, Tracker

logger = logging.getLogger("localaws.services")

#: Settings of a service that ministack neither keeps nor returns; with what AWS assumes for them.
_KEPT = {"availabilityZoneRebalancing": "DISABLED"}
#: Settings that ministack keeps when a service is created, but ignores when it is updated.
_UPDATED = ("enableECSManagedTags", "propagateTags", "serviceRegistries")
OK = 200
MAX_EVENTS = 100
#: A service whose tasks keep failing is started again after 2, 4, 8 … s, as ECS throttles it.
THROTTLE_AFTER = 3
THROTTLE_MAX = 60.0

#: Seconds between two looks at the containers' own health checks of a task that counts.
CONTAINER_LOOK = 5.0
#: Seconds that a task without a load balancer must have stayed up to count.
STEADY = 1.0

_failures: dict[str | None, int] = {}
_failures_lock = threading.Lock()
_counting = threading.RLock()


def install(tracker: Tracker) -> Callable[[dict[str, Any]], None]:
    """Extends ministack's ECS services; ``tracker`` knows the health of all targets.

    Returns:
        What follows a task, in a thread of its own, from the moment that all its containers run.
    """
    ecs = emulator.service("ecs")
    settle = ecs._schedule_service_deployment_completion
    # How long a task must have stayed up is decided below, before ministack is told.
    ecs._ECS_DEPLOYMENT_STEADY_DELAY = 0
    hooks: dict[str, Callable[..., Any]] = {
        "_make_deployment": _make_deployment,
        "_create_service": _change,
        "_update_service": _update,
        "_delete_service": _delete,
        "_refresh_service_state": _refresh,
        "_describe_services": _describe,
        "_complete_service_deployment": _complete,
        "_record_service_task_failure": _failed,
        "_run_task": _run_task,
    }
    for name, hook in hooks.items():
        emulator.wrap(ecs, name, hook)
    history.install()

    def supervise(task: dict[str, Any]) -> None:
        emulator.core("concurrency").spawn_background(
            _supervise, ecs, tracker, settle, task, thread_name="localaws-health"
        )

    return supervise


def event(svc: dict[str, Any], text: str) -> None:
    """Adds a service event, newest first."""
    ecs = emulator.service("ecs")
    message = f"(service {svc['serviceName']}) {text}"
    svc["events"].insert(0, {"id": ecs.new_uuid(), "createdAt": ecs._iso(), "message": message})
    del svc["events"][MAX_EVENTS:]


def _make_deployment(original: Any, *args: Any, **kwargs: Any) -> Any:
    deployment = original(*args, **kwargs)
    # ministack calls the first deployment complete before a task runs.
    deployment["rolloutState"] = "IN_PROGRESS"
    deployment["rolloutStateReason"] = f"ECS deployment {deployment['id']} in progress."
    return deployment


def _change(original: Any, data: Any) -> Any:
    """CreateService and UpdateService, with the settings that ministack drops."""
    ecs = emulator.service("ecs")
    response = original(data)
    svc = _named(ecs, data)
    if response[0] != OK or svc is None:
        return response
    for key, default in _KEPT.items():
        svc[key] = data.get(key) or svc.get(key) or default
    for key in _UPDATED:
        if key in data:
            svc[key] = data[key]
    history.note(svc)
    return ecs.json_response({"service": ecs._sanitize(svc)})


def _update(original: Any, data: Any) -> Any:
    svc = _named(emulator.service("ecs"), data)
    known = {one["id"] for one in (svc or {}).get("events", [])}
    response = _change(original, data)
    if svc is not None:
        # ministack reports draining at every update, whether or not anything drains.
        svc["events"] = [
            one
            for one in svc["events"]
            if one["id"] in known or "has begun draining connections" not in one["message"]
        ]
    return response


def _delete(original: Any, data: Any) -> Any:
    """DeleteService: the service drains until its last task has ended."""
    ecs = emulator.service("ecs")
    svc = _named(ecs, data)
    response = original(data)
    if svc is None or svc.get("status") != "INACTIVE" or not _ending(ecs, svc):
        return response
    svc["status"] = "DRAINING"
    emulator.core("concurrency").spawn_background(
        _drained, ecs, svc, thread_name="localaws-service"
    )
    return ecs.json_response({"service": ecs._sanitize(svc)})


def _refresh(original: Any, cluster: Any, group: Any) -> Any:
    ecs = emulator.service("ecs")
    with _counting:
        result = original(cluster, group)
        svc = ecs._services.get(f"{cluster}/{(group or '').partition(':')[2]}")
        if svc is not None:
            _count(ecs, svc)
            history.note(svc)
    return result


def _describe(original: Any, data: Any) -> Any:
    with _counting:  # never between ministack's count and ours
        return original(data)


def _complete(original: Any, cluster: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
    ecs = emulator.service("ecs")
    svc = ecs._services.get(key)
    before = (ecs._primary_deployment(svc) or {}).get("rolloutState") if svc else None
    result = original(cluster, key, *args, **kwargs)
    primary = ecs._primary_deployment(svc) if svc else None
    if primary and before != "COMPLETED" and primary["rolloutState"] == "COMPLETED":
        event(svc, f"(deployment {primary['id']}) deployment completed.")
        event(svc, "has reached a steady state.")
        history.note(svc)
    return result


def _failed(original: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
    """A task of a service could not start, ended or failed its checks: tell so, and do not start again too fast."""
    svc = tasks.service_of(task)
    if svc is None or svc.get("status") != "ACTIVE":
        return original(task, *args, **kwargs)
    event(svc, f"(task {_id(task)}) stopped: {task.get('stoppedReason')}{_exits(task)}.")
    delay = _throttle(svc, task)
    if not delay:
        return original(task, *args, **kwargs)
    event(svc, "is unable to consistently start tasks successfully.")

    def later() -> None:
        time.sleep(delay)
        original(task, *args, **kwargs)

    emulator.core("concurrency").spawn_background(later, thread_name="localaws-throttle")
    return None


def _run_task(original: Any, data: Any) -> Any:
    ecs = emulator.service("ecs")
    response = original(data)
    _kind, _, name = str(data.get("group", "")).partition(":")
    svc = ecs._services.get(f"{data.get('cluster')}/{name}")
    if svc is not None and response[0] == OK:
        started = json.loads(response[2])["tasks"]
        ids = " ".join(f"(task {_id(one)})" for one in started)
        event(svc, f"has started {len(started)} tasks: {ids}.")
    return response


def _supervise(ecs: Any, tracker: Tracker, settle: Any, task: dict[str, Any]) -> None:
    """Lets a task count once it is healthy, and stops it when it no longer is."""
    svc = tasks.service_of(task)
    if svc is None:
        return
    key = f"{ecs._cluster_name_from_arn(task['clusterArn'])}/{svc['serviceName']}"
    account, region = ecs.get_account_id(), ecs.get_region()
    grace = time.monotonic() + float(svc.get("healthCheckGracePeriodSeconds") or 0)
    steady = 0.0 if svc.get("loadBalancers") else time.monotonic() + STEADY
    counted, container, look = False, None, 0.0
    while ecs._task_is_active(task["taskArn"], task):
        targets = _targets(ecs, svc, task)
        found = [(target, tracker.health(target)) for target in targets]
        if not container or container != "HEALTHY" or time.monotonic() >= look:
            container = _container_health(task)
            look = time.monotonic() + CONTAINER_LOOK
        healthy = all(one and one.state is State.HEALTHY for _, one in found)
        steadied = time.monotonic() >= steady
        if healthy and container in (None, "HEALTHY") and steadied and not counted:
            counted = True
            with _failures_lock:
                _failures.pop(task.get("_deployment_id"), None)
            for target in targets:
                event(svc, f"registered 1 targets in (target-group {target.group})")
            settle(key.partition("/")[0], key, account, region, healthy_task=task)
        if time.monotonic() >= grace:
            sick = next(((t, h) for t, h in found if h and h.state is State.UNHEALTHY), None)
            if sick:
                _replace_unhealthy(ecs, svc, task, *sick)
                return
            if container == "UNHEALTHY":
                event(svc, f"(task {_id(task)}) failed container health checks.")
                _stop_and_count(ecs, task, "Task failed container health checks")
                return
        tracker.wait(1.0)


def _container_health(task: dict[str, Any]) -> str | None:
    try:
        return tasks.container_health(task, task.get("_health_checks") or {})
    except Exception as error:  # noqa: BLE001 - docker-py raises what the transport raises
        logger.debug("container health of %s: %s", _id(task), error)
        return "UNKNOWN"  # the container is just ending; its end is watched elsewhere


def _replace_unhealthy(
    ecs: Any, svc: dict[str, Any], task: dict[str, Any], target: Target, health: Any
) -> None:
    event(
        svc,
        f"(task {_id(task)}) (port {target.port}) is unhealthy in (target-group {target.group}) "
        f"due to (reason {health.description}).",
    )
    _stop_and_count(ecs, task, f"Task failed ELB health checks in (target-group {target.group})")


def _stop_and_count(ecs: Any, task: dict[str, Any], reason: str) -> None:
    if endings.begin_stop(task, reason, "ServiceSchedulerInitiated"):
        ecs._record_service_task_failure(task)


def _targets(ecs: Any, svc: dict[str, Any], task: dict[str, Any]) -> list[Target]:
    """The task's registrations; a task whose address is not known yet has one that is never healthy."""
    address = ecs._task_ip(task) or "unknown"
    return [
        Target(one["targetGroupArn"], address, int(one.get("containerPort", 80)))
        for one in svc.get("loadBalancers") or []
        if one.get("targetGroupArn")
    ]


def _count(ecs: Any, svc: dict[str, Any]) -> None:
    """Counts a running task as pending until it is healthy, and drops deployments that are over."""
    pending: dict[str | None, int] = {}
    for task in ecs._tasks.values():
        mine = task.get("group") == f"service:{svc['serviceName']}"
        if not mine or task.get("clusterArn") != svc.get("clusterArn"):
            continue
        if task.get("lastStatus") == "RUNNING" and not task.get("_startup_stable"):
            deployment = ecs._deployment_for_task(svc, task) or {}
            pending[deployment.get("id")] = pending.get(deployment.get("id"), 0) + 1
    for record, number in [
        (svc, sum(pending.values())),
        *((one, pending.get(one["id"], 0)) for one in svc["deployments"]),
    ]:
        record["runningCount"] = max(0, record.get("runningCount", 0) - number)
        record["pendingCount"] = record.get("pendingCount", 0) + number
    primary = ecs._primary_deployment(svc)
    if primary and primary["rolloutState"] == "COMPLETED":
        # ministack keeps failed deployments for ever; on AWS a rolled-back one leaves the list.
        history.note(svc)
        svc["deployments"] = [
            one
            for one in svc["deployments"]
            if one is primary or one["runningCount"] or one["pendingCount"]
        ]


def _throttle(svc: dict[str, Any], task: dict[str, Any]) -> float:
    """Seconds to wait before the next start; grows with the failures in a row of one deployment."""
    deployment = task.get("_deployment_id")
    with _failures_lock:
        count = _failures[deployment] = _failures.get(deployment, 0) + 1
    beyond = count - THROTTLE_AFTER * max(1, int(svc.get("desiredCount", 1)))
    return float(min(THROTTLE_MAX, 2.0**beyond)) if beyond > 0 else 0


def _ending(ecs: Any, svc: dict[str, Any]) -> bool:
    """Whether tasks of the service are still on their way down."""
    return any(
        task.get("lastStatus") != "STOPPED"
        for task in ecs._tasks.values()
        if task.get("group") == f"service:{svc['serviceName']}"
        and task.get("clusterArn") == svc.get("clusterArn")
    )


def _drained(ecs: Any, svc: dict[str, Any]) -> None:
    while svc.get("status") == "DRAINING":
        if not _ending(ecs, svc):
            svc["status"] = "INACTIVE"
            return
        time.sleep(0.5)


def _named(ecs: Any, data: dict[str, Any]) -> dict[str, Any] | None:
    """The service that a request is about."""
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    name = str(data.get("service") or data.get("serviceName") or "").rsplit("/", 1)[-1]
    found: dict[str, Any] | None = ecs._services.get(f"{cluster}/{name}")
    return found


def _id(task: dict[str, Any]) -> str:
    return str(task["taskArn"]).rsplit("/", 1)[-1]


def _exits(task: dict[str, Any]) -> str:
    """How the task's containers ended, such as `` (container app exited with code 1)``."""
    ended = [one for one in task.get("containers", []) if one.get("exitCode")]
    return "".join(
        f" (container {one['name']} exited with code {one['exitCode']})" for one in ended
    )
