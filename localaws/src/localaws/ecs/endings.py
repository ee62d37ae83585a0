"""Ends of ECS tasks: target groups left, deregistration delay, SIGTERM, stop timeout, SIGKILL; exit codes and logs.
Follows https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from localaws import emulator
from localaws.ecs import containers
from localaws.elb import balancer
from localaws.emulator import ecs

logger = logging.getLogger("localaws.endings")

#: Seconds that the last output of an ended container gets to reach its log group.
LOG_SECONDS = 5.0
NOT_FOUND = 404
KILLED = 137

#: Reasons that the scheduler of a service gives, with which ministack stops tasks.
_SCHEDULER_REASONS = frozenset(
    {
        "Deployment completed",
        "Service scaling down",
        "Task definition updated",
        "Service deleted",
        "Deployment capacity limit",
    }
)

#: Set once all output of a container has reached its log group, by its id.
log_ends: dict[str, threading.Event] = {}


def install() -> None:
    emulator.replace(ecs, "_cleanup_task_resources", clean_up)
    # Ends are watched, so that nothing needs to look for them when somebody asks.
    emulator.replace(ecs, "_maybe_mark_stopped", lambda _task, _client=None: None)
    emulator.wrap(ecs, "_stop_task", _stop)


def watch(task: dict[str, Any], client: Any) -> None:
    """Follows every container of the task, each from a thread of its own, to its end."""
    for container_id in list(task.get("_docker_ids") or []):
        emulator.in_background("task", _watch_exit, task, client, container_id)


def begin_stop(task: dict[str, Any], reason: str, code: str) -> bool:
    """Takes a running task out of service now and ends it in the background; False when it is already ending."""
    arn = task["taskArn"]
    with ecs.resource_lock("ecs-task", arn):
        if not ecs._task_is_active(arn, task):
            return False
        ecs._bump_task_version(task)
        task.update(
            desiredStatus="STOPPED",
            lastStatus="DEACTIVATING",
            stoppingAt=ecs._iso(),
            stoppedReason=reason,
            stopCode=code,
        )
    ecs.ecs_metadata.set_task_status(arn, known_status="DEACTIVATING", desired_status="STOPPED")
    _refresh(task)
    emulator.in_background("task", _end, task)
    return True


def clean_up(task: dict[str, Any], client: Any, extra_container: Any = None) -> None:
    """Ends and removes the task's containers and volumes; fills in the exit codes that are not known yet."""
    client = client or ecs._get_docker()
    with ecs.resource_lock("ecs-task", task.get("taskArn", "")):
        ids = list(task.get("_docker_ids") or [])
        tokens = list(task.get("_metadata_tokens") or [])
        task["_docker_ids"], task["_metadata_tokens"] = [], []
    for token in tokens:
        ecs.ecs_metadata.unregister_token(token)
    if client is None:
        return
    extra = [extra_container.id] if extra_container and extra_container.id not in ids else []
    # Last started first, so that what others depend on ends after them.
    for container_id in [*extra, *reversed(ids)]:
        _end_container(client, task, container_id)
    for volume in task.get("_volumes") or []:
        with _tolerating("a volume of a task"):
            client.volumes.get(volume).remove()


def service_of(task: dict[str, Any]) -> dict[str, Any] | None:
    """The service that the task belongs to, or None for a task that was run by hand."""
    cluster = ecs._cluster_name_from_arn(task.get("clusterArn", ""))
    kind, _, name = task.get("group", "").partition(":")
    service: dict[str, Any] | None = ecs._services.get(f"{cluster}/{name}")
    return service if kind == "service" else None


def note_exit(task: dict[str, Any], container_id: str, code: int) -> None:
    """Writes a container's exit code into the task."""
    with ecs.resource_lock("ecs-task", task["taskArn"]):
        for container in task["containers"]:
            if container.get("runtimeId") == container_id[:12]:
                container.update(lastStatus="STOPPED", exitCode=code)


def _stop(original: Any, data: Any) -> Any:
    """StopTask, and what the scheduler stops: answers at once, as AWS does."""
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    task = ecs._resolve_task(data.get("task", ""), cluster) if cluster else None
    if task is None or task.get("lastStatus") not in ecs._PRE_STOP_STATUSES:
        return original(data)
    reason = data.get("reason", "Task stopped by user")
    code = "ServiceSchedulerInitiated" if reason in _SCHEDULER_REASONS else "UserInitiated"
    if task["lastStatus"] == "RUNNING":
        begin_stop(task, reason, code)
    elif ecs._mark_task_stopped(task["taskArn"], task, reason, code):
        emulator.in_background("task", clean_up, task, None)
    svc = service_of(task)
    if code == "UserInitiated" and svc is not None:
        # The service wants its tasks back; ministack looks only when one has ended by itself.
        emulator.in_background(
            "task", ecs._reconcile_service_tasks, cluster, f"{cluster}/{svc['serviceName']}"
        )
    return ecs.json_response({"task": ecs._sanitize(task)})


def _watch_exit(task: dict[str, Any], client: Any, container_id: str) -> None:
    """Waits until the container ends, then draws the conclusions."""
    while ecs._task_is_active(task["taskArn"], task):
        try:
            code = client.api.wait(container_id)["StatusCode"]
        except Exception as error:  # noqa: BLE001 - docker-py raises what the transport raises
            if getattr(error, "status_code", None) != NOT_FOUND:
                time.sleep(1)  # the engine is restarting: look again
                continue
            # Somebody removed the container by hand; on AWS nobody can, but the task is gone all the same.
            code = KILLED
        if emulator.ending.is_set():
            return
        note_exit(task, container_id, code)
        _conclude(task, container_id, code)
        return


def _conclude(task: dict[str, Any], container_id: str, code: int) -> None:
    """Stops the task when an essential container, or the last one, has ended."""
    with ecs.resource_lock("ecs-task", task["taskArn"]):
        ids = task.get("_docker_ids") or []
        if container_id not in ids:
            return
        essential = task["_container_essentials"][ids.index(container_id)]
        running = any(container.get("exitCode") is None for container in task["containers"])
    if essential or not running:
        reason = "Essential container in task exited"
        if ecs._mark_task_stopped(task["taskArn"], task, reason, "EssentialContainerExited", code):
            clean_up(task, None)


def _end(task: dict[str, Any]) -> None:
    """The rest of a task's life after it has left its target groups."""
    arn = task["taskArn"]
    groups = [
        balanced.get("targetGroupArn")
        for balanced in (service_of(task) or {}).get("loadBalancers") or []
    ]
    delays = [balancer.deregistration_delay(group) for group in groups if group]
    if delays:
        _wait_while_running(task, max(delays))
    task["lastStatus"] = "STOPPING"
    clean_up(task, None)
    with ecs.resource_lock("ecs-task", arn):
        ecs._bump_task_version(task)
        task["executionStoppedAt"] = task["stoppedAt"] = ecs._iso()
        task["lastStatus"] = "STOPPED"
        for container in task["containers"]:
            container["lastStatus"] = "STOPPED"
    ecs.ecs_metadata.set_task_status(arn, known_status="STOPPED", desired_status="STOPPED")
    ecs.ecs_metadata.set_all_container_status(arn, "STOPPED")
    _refresh(task)


def _wait_while_running(task: dict[str, Any], seconds: float) -> None:
    """Waits for the deregistration delay, or until the task's containers have ended by themselves."""
    client = ecs._get_docker()
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ids = task.get("_docker_ids") or []
        if not any(_is_running(client, container_id) for container_id in ids):
            return
        time.sleep(min(1.0, left))


def _end_container(client: Any, task: dict[str, Any], container_id: str) -> None:
    timeouts: dict[str, int] = task.get("_stop_timeouts") or {}
    with _tolerating("a container of a task"):
        container = client.containers.get(container_id)
        name = container.labels.get(containers.CONTAINER_NAME, "")
        container.stop(timeout=timeouts.get(name, containers.STOP_TIMEOUT))
        container.reload()
        note_exit(task, container_id, container.attrs["State"]["ExitCode"])
    end = log_ends.pop(container_id, None)
    if end:
        end.wait(LOG_SECONDS)
    with _tolerating("a container of a task"):
        client.containers.get(container_id).remove(v=True, force=True)


def _refresh(task: dict[str, Any]) -> None:
    cluster = ecs._cluster_name_from_arn(task.get("clusterArn", ""))
    if cluster:
        ecs._recount_cluster(cluster)
        ecs._refresh_service_state(cluster, task.get("group", ""))


def _is_running(client: Any, container_id: str) -> bool:
    try:
        status = str(client.containers.get(container_id).status)
    except Exception:  # noqa: BLE001 - gone or unreachable: either way there is nothing to wait for
        return False
    return status == "running"


@contextlib.contextmanager
def _tolerating(what: str) -> Iterator[None]:
    """Ends race with a container's own exit and with removals by hand: what is already gone is fine."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - docker-py raises what the transport raises
        logger.debug("%s: %s", what, error)
