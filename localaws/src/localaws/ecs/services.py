"""ECS services: rolling deployments, circuit breaker with throttling, counts of healthy tasks.
Follows https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from localaws import emulator
from localaws.ecs import deployment_alarms, endings, history, supervision
from localaws.elb.targets import Tracker
from localaws.emulator import ecs

#: Settings of a service that ministack neither keeps nor returns; with what AWS assumes for them.
_KEPT = {"availabilityZoneRebalancing": "DISABLED"}
#: Settings that ministack keeps when a service is created, but ignores when it is updated.
_UPDATED = ("enableECSManagedTags", "propagateTags", "serviceRegistries")
OK = 200
#: A service whose tasks keep failing is started again after 2, 4, 8 … s, as ECS throttles it.
THROTTLE_AFTER = 3
THROTTLE_MAX = 60.0

_failures: dict[str | None, int] = {}
_failures_lock = threading.Lock()
_counting = threading.RLock()


def install(tracker: Tracker) -> Callable[[dict[str, Any]], None]:
    """Extends ministack's ECS services; returns what supervises a task, to call once all its containers run."""
    settle = ecs._schedule_service_deployment_completion
    # How long a task must have stayed up is decided by supervision, before ministack learns of it.
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

    def count(task: dict[str, Any]) -> None:
        with _failures_lock:
            _failures.pop(task.get("_deployment_id"), None)
        cluster = ecs._cluster_name_from_arn(task["clusterArn"])
        key = f"{cluster}/{task['group'].partition(':')[2]}"
        settle(cluster, key, ecs.get_account_id(), ecs.get_region(), healthy_task=task)

    def supervise(task: dict[str, Any]) -> None:
        emulator.in_background("health", supervision.watch, tracker, count, task)

    return supervise


def _make_deployment(original: Any, *args: Any, **kwargs: Any) -> Any:
    deployment = original(*args, **kwargs)
    # ministack calls the first deployment complete before a task runs.
    deployment["rolloutState"] = "IN_PROGRESS"
    deployment["rolloutStateReason"] = f"ECS deployment {deployment['id']} in progress."
    return deployment


def _change(original: Any, data: Any) -> Any:
    """CreateService and UpdateService, with the settings that ministack drops."""
    before = _named(data)
    refusal = deployment_alarms.refusal(data, before)
    if refusal:
        return ecs.error_response_json("InvalidParameterException", refusal, 400)
    if before and "deploymentConfiguration" in data:
        # ministack replaces the whole. What a request does not name stays: Terraform names what changes.
        kept = before.get("deploymentConfiguration") or {}
        data = {**data, "deploymentConfiguration": kept | data["deploymentConfiguration"]}
    response = original(data)
    svc = _named(data)
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
    svc = _named(data)
    before = {event["id"] for event in (svc or {}).get("events", [])}
    response = _change(original, data)
    if svc is not None:
        # ministack reports draining at every update, whether or not anything drains.
        svc["events"] = [
            event
            for event in svc["events"]
            if event["id"] in before or "has begun draining connections" not in event["message"]
        ]
        cluster = ecs._cluster_name_from_arn(svc["clusterArn"])
        deployment_alarms.begin(f"{cluster}/{svc['serviceName']}", svc)
    return response


def _delete(original: Any, data: Any) -> Any:
    """DeleteService: the service drains until its last task has ended."""
    svc = _named(data)
    response = original(data)
    if svc is None or svc.get("status") != "INACTIVE" or not _ending(svc):
        return response
    svc["status"] = "DRAINING"
    emulator.in_background("service", _drained, svc)
    return ecs.json_response({"service": ecs._sanitize(svc)})


def _refresh(original: Any, cluster: Any, group: Any) -> Any:
    with _counting:
        result = original(cluster, group)
        svc = ecs._services.get(f"{cluster}/{(group or '').partition(':')[2]}")
        if svc is not None:
            _count(svc)
            history.note(svc)
    return result


def _describe(original: Any, data: Any) -> Any:
    with _counting:  # never between ministack's count and ours
        return original(data)


def _complete(original: Any, cluster: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
    svc = ecs._services.get(key)
    if svc and deployment_alarms.bakes(key, svc):
        return None
    before = (ecs._primary_deployment(svc) or {}).get("rolloutState") if svc else None
    result = original(cluster, key, *args, **kwargs)
    primary = ecs._primary_deployment(svc) if svc else None
    if primary and before != "COMPLETED" and primary["rolloutState"] == "COMPLETED":
        history.event(svc, f"(deployment {primary['id']}) deployment completed.")
        history.event(svc, "has reached a steady state.")
        history.note(svc)
    return result


def _failed(original: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
    """A task of a service could not start, ended or failed its checks: adds an event, and throttles the next start."""
    svc = endings.service_of(task)
    if svc is None or svc.get("status") != "ACTIVE":
        return original(task, *args, **kwargs)
    reason = f"{task.get('stoppedReason')}{_exits(task)}"
    history.event(svc, f"(task {history.short_id(task)}) stopped: {reason}.")
    delay = _throttle(svc, task)
    if not delay:
        return original(task, *args, **kwargs)
    history.event(svc, "is unable to consistently start tasks successfully.")

    def later() -> None:
        time.sleep(delay)
        original(task, *args, **kwargs)

    emulator.in_background("throttle", later)
    return None


def _run_task(original: Any, data: Any) -> Any:
    response = original(data)
    _kind, _, name = str(data.get("group", "")).partition(":")
    svc = ecs._services.get(f"{data.get('cluster')}/{name}")
    if svc is not None and response[0] == OK:
        started = json.loads(response[2])["tasks"]
        ids = " ".join(f"(task {history.short_id(task)})" for task in started)
        history.event(svc, f"has started {len(started)} tasks: {ids}.")
    return response


def _count(svc: dict[str, Any]) -> None:
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
        *((record, pending.get(record["id"], 0)) for record in svc["deployments"]),
    ]:
        record["runningCount"] = max(0, record.get("runningCount", 0) - number)
        record["pendingCount"] = record.get("pendingCount", 0) + number
    primary = ecs._primary_deployment(svc)
    if primary and primary["rolloutState"] == "COMPLETED":
        # ministack keeps failed deployments for ever; on AWS a rolled-back one leaves the list.
        history.note(svc)
        svc["deployments"] = [
            record
            for record in svc["deployments"]
            if record is primary or record["runningCount"] or record["pendingCount"]
        ]


def _throttle(svc: dict[str, Any], task: dict[str, Any]) -> float:
    """Seconds to wait before the next start; grows with the failures in a row of one deployment."""
    deployment = task.get("_deployment_id")
    with _failures_lock:
        count = _failures[deployment] = _failures.get(deployment, 0) + 1
    beyond = count - THROTTLE_AFTER * max(1, int(svc.get("desiredCount", 1)))
    return float(min(THROTTLE_MAX, 2.0**beyond)) if beyond > 0 else 0


def _ending(svc: dict[str, Any]) -> bool:
    """Whether tasks of the service are still on their way down."""
    return any(
        task.get("lastStatus") != "STOPPED"
        for task in ecs._tasks.values()
        if task.get("group") == f"service:{svc['serviceName']}"
        and task.get("clusterArn") == svc.get("clusterArn")
    )


def _drained(svc: dict[str, Any]) -> None:
    while svc.get("status") == "DRAINING":
        if not _ending(svc):
            svc["status"] = "INACTIVE"
            return
        time.sleep(0.5)


def _named(data: dict[str, Any]) -> dict[str, Any] | None:
    """The service that a request is about."""
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    name = str(data.get("service") or data.get("serviceName") or "").rsplit("/", 1)[-1]
    service: dict[str, Any] | None = ecs._services.get(f"{cluster}/{name}")
    return service


def _exits(task: dict[str, Any]) -> str:
    """How the task's containers ended, such as `` (container app exited with code 1)``."""
    ended = [container for container in task.get("containers", []) if container.get("exitCode")]
    return "".join(
        f" (container {container['name']} exited with code {container['exitCode']})"
        for container in ended
    )
