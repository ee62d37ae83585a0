"""ECS tasks as Fargate starts them: images of ECR, start order, volumes, limits, and logs that are complete.

Each hook gets ministack's own function as ``original``. How tasks end: ``endings.py``.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from localaws import emulator
from localaws.ecs import containers, endings
from localaws.settings import Settings

logger = logging.getLogger("localaws.tasks")

#: Seconds that a container may take to meet the condition another one waits for (Fargate's default).
DEPENDENCY_TIMEOUT = 180
_POLL = 0.1

_TASK_ARN = "com.amazonaws.ecs.task-arn"
_CONTAINER_NAME = "com.amazonaws.ecs.container-name"


class DependencyError(Exception):
    """A container that another one waits for has not met its condition."""


def install(settings: Settings, supervise: Callable[[dict[str, Any]], None]) -> None:
    """Extends ministack's ECS. ``supervise`` is called in the task's scope once all its containers run."""
    ecs = emulator.service("ecs")
    with_settings: dict[str, Callable[..., Any]] = {
        "_start_task_worker": _start,
        "_build_run_kwargs": _run_kwargs,
        "_run_docker_container": _run_container,
        "_prepare_service_images": _resolve_images,
        "_record_task_ip": _record_ip,
    }
    for name, hook in with_settings.items():
        emulator.wrap(ecs, name, functools.partial(hook, settings))
    emulator.wrap(ecs, "_forward_awslogs", _forward_logs)
    emulator.wrap(ecs, "_start_awslogs_forwarder", _start_log_forwarder)
    emulator.replace(ecs, "_run_task_worker", _work)

    def watch(task: Any, client: Any, account: str, region: str) -> None:
        endings.watch(task, client)
        supervise(task)

    emulator.replace(ecs, "_watch_task_lifecycle", watch)
    endings.install()


def service_of(task: dict[str, Any]) -> dict[str, Any] | None:
    """The service that the task belongs to, or None for a task that was run by hand."""
    return endings.service_of(task)


def container_health(task: dict[str, Any], definitions: dict[str, Any]) -> str | None:
    """HEALTHY, UNHEALTHY or UNKNOWN from the containers' own health checks; None when the task defines none.

    Args:
        definitions: The health checks by container name, as the task definition has them.
    """
    if not definitions:
        return None
    client = emulator.service("ecs")._get_docker()
    found = {}
    for container_id in task.get("_docker_ids") or []:
        container = client.containers.get(container_id)
        name = container.labels.get(_CONTAINER_NAME)
        if name in definitions:
            found[name] = _own_health(container, definitions[name])
    for one in task["containers"]:
        if one["name"] in found:
            one["healthStatus"] = found[one["name"]]
    worst = (one for one in ("UNHEALTHY", "UNKNOWN") if one in found.values())
    task["healthStatus"] = next(worst, "HEALTHY" if found else "UNKNOWN")
    return str(task["healthStatus"])


def _own_health(container: Any, check: dict[str, Any]) -> str:
    status = container.attrs["State"].get("Health", {}).get("Status", "starting")
    if status == "starting":
        # Docker asks for the first time only after a whole interval: ask now, so that a start is as fast as it is.
        kind, *command = check["command"]
        argv = ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command
        return "HEALTHY" if container.exec_run(argv).exit_code == 0 else "UNKNOWN"
    return {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}.get(status, "UNKNOWN")


def gateway(client: Any, network: str) -> str | None:
    """The address under which the tasks' network reaches this machine."""
    configs = client.networks.get(network).attrs["IPAM"]["Config"]
    return configs[0].get("Gateway") if configs else None


def _start(settings: Settings, original: Any, task: Any, td: Any, *rest: Any) -> Any:
    """Local image names and start order, before ministack starts the containers one after the other."""
    return original(task, _prepared(settings, task, td), *rest)


def _run_kwargs(
    settings: Settings, original: Any, cdef: Any, td: Any, *args: Any, **kwargs: Any
) -> Any:
    """What ministack leaves out of a container definition."""
    chosen = original(cdef, td, *args, **kwargs)
    task_id = chosen["labels"][_TASK_ARN].rsplit("/", 1)[-1]
    extra = containers.options(cdef, td, task_id, settings)
    extra["volumes"] = [*(chosen.get("volumes") or []), *extra.get("volumes", [])]
    chosen["labels"] |= settings.labels | (cdef.get("dockerLabels") or {})
    chosen.pop("network_mode", None)
    host = gateway(emulator.service("ecs")._get_docker(), settings.network)
    own = {"host.docker.internal": host} if host else {}
    chosen["extra_hosts"] = own | {
        one["hostname"]: one["ipAddress"] for one in cdef.get("extraHosts", [])
    }
    return chosen | extra


def _run_container(
    settings: Settings, original: Any, client: Any, cdef: Any, kwargs: Any, **rest: Any
) -> Any:
    """Waits for what the container depends on, and pulls only what a pull can change."""
    task = emulator.service("ecs")._tasks.get(kwargs["labels"][_TASK_ARN])
    if task is not None:
        _await_dependencies(client, task, cdef)
        for volume in task.get("_volumes") or []:
            client.volumes.create(volume, labels=settings.labels)
    image = cdef["image"]
    if image.startswith(settings.registry):
        # Fargate has no cache: what the registry does not hold (any more) cannot run, whoever else still has it.
        rest["allow_cached"] = False
        if _is_local(client, image) and _in_registry(settings, image):
            rest["refresh_image"] = False
    elif _is_local(client, image):
        # No registry here could refresh it.
        rest["refresh_image"] = False
    return original(client, cdef, kwargs, **rest)


def _in_registry(settings: Settings, image: str) -> bool:
    """Whether the local registry holds the digest that the image is named by; what is named by tag may change."""
    name, _, digest = image.removeprefix(f"{settings.registry}/").partition("@")
    manifests = emulator.service("ecr")._manifest_blobs.get(name) or {}
    return bool(digest) and digest in manifests


def _resolve_images(settings: Settings, original: Any, task: Any, td: Any, client: Any) -> Any:
    """Lets ministack ask for digests only where there is a registry that knows them."""
    images = [one["image"] for one in td["containerDefinitions"]]
    if any(image.startswith(settings.registry) for image in images):
        return original(task, td, client)
    svc = service_of(task)
    deployment = emulator.service("ecs")._deployment_for_task(svc, task) if svc else None
    if deployment:
        deployment["_image_resolution_disabled"] = True
    return deployment


def _record_ip(settings: Settings, original: Any, task: Any, container: Any, network: Any) -> Any:
    """The task's address is that of the container behind the load balancer, not of the first one started."""
    name = container.labels.get(_CONTAINER_NAME)
    if name == task.get("_serving", name):
        return original(task, container, network or settings.network)
    return None


def _forward_logs(original: Any, container: Any, *args: Any) -> Any:
    with endings.forwarding_logs(container.id):
        return original(container, *args)


def _start_log_forwarder(original: Any, container: Any, cdef: Any, task_id: Any) -> Any:
    if (cdef.get("logConfiguration") or {}).get("logDriver") == "awslogs":
        endings.expect_logs(container.id)
    return original(container, cdef, task_id)


def _work(*arguments: Any) -> None:
    """A task's start, in a thread of its own; what stops it becomes the task's stopped reason."""
    task, td, overrides, client, account, region = arguments
    ecs = emulator.service("ecs")
    with emulator.core("responses").request_scope(account, region):
        try:
            ecs._start_task_worker(task, td, overrides, client)
            if task.get("lastStatus") == "RUNNING":
                ecs._watch_task_lifecycle(task, client, account, region)
        except DependencyError as error:
            ecs._fail_task_start(task, client, str(error))
        except ecs._SecretResolutionError as error:
            reason = (
                f"ResourceInitializationError: unable to pull secrets or registry auth: {error}"
            )
            ecs._fail_task_start(task, client, reason)
        except ecs._ImagePullError as error:
            ecs._fail_task_start(task, client, f"CannotPullContainerError: {error}")
        except Exception as error:  # noqa: BLE001 - docker-py raises what the transport raises
            logger.warning("task %s could not start: %s", task["taskArn"], error)
            ecs._fail_task_start(task, client, f"CannotStartContainerError: {error}")


def _prepared(settings: Settings, task: dict[str, Any], td: dict[str, Any]) -> dict[str, Any]:
    """The task definition with local image names, in start order; the task's own lists follow that order."""
    ecs = emulator.service("ecs")
    definitions = td["containerDefinitions"]
    order = containers.start_order(definitions)
    task_id = task["taskArn"].rsplit("/", 1)[-1]
    with ecs.resource_lock("ecs-task", task["taskArn"]):
        for key in ("containers", "_container_essentials"):
            task[key] = [task[key][index] for index in order]
        task["_serving"] = _serving(task, definitions)
        task["_stop_timeouts"] = {one["name"]: containers.stop_timeout(one) for one in definitions}
        task["_volumes"] = list(containers.task_volumes(task_id, td).values())
        task["_health_checks"] = {
            one["name"]: one["healthCheck"] for one in definitions if one.get("healthCheck")
        }
    ordered = [
        definitions[index]
        | {"image": containers.local_image(definitions[index]["image"], settings.registry)}
        for index in order
    ]
    return {**td, "containerDefinitions": ordered}


def _serving(task: dict[str, Any], definitions: list[dict[str, Any]]) -> str:
    """The container whose address is the task's: the one behind the load balancer, else the first with a port."""
    for balanced in (service_of(task) or {}).get("loadBalancers") or []:
        if balanced.get("containerName"):
            return str(balanced["containerName"])
    with_port = [one["name"] for one in definitions if one.get("portMappings")]
    return str((with_port or [definitions[0]["name"]])[0])


def _await_dependencies(client: Any, task: dict[str, Any], cdef: dict[str, Any]) -> None:
    """Waits until the containers that this one depends on have met their conditions.

    Raises:
        DependencyError: One of them cannot meet its condition any more, or took too long.
    """
    ecs = emulator.service("ecs")
    for wanted in cdef.get("dependsOn") or []:
        name, condition = wanted["containerName"], wanted["condition"]
        index = next(i for i, one in enumerate(task["containers"]) if one["name"] == name)
        deadline = time.monotonic() + DEPENDENCY_TIMEOUT
        while not _met(client, task, index, condition):
            if not ecs._task_is_active(task["taskArn"], task):
                raise DependencyError("the task was stopped while it started")
            if time.monotonic() > deadline:
                raise DependencyError(
                    f"container {cdef['name']} waited {DEPENDENCY_TIMEOUT} s for {name} to be {condition}"
                )
            time.sleep(_POLL)


def _met(client: Any, task: dict[str, Any], index: int, condition: str) -> bool:
    """Whether the container at ``index`` meets the condition now; raises DependencyError when it never will."""
    if condition == "START":
        return True
    container = client.containers.get(task["_docker_ids"][index])
    state = container.attrs["State"]
    name = task["containers"][index]["name"]
    if state["Status"] in ("exited", "dead"):
        code = state["ExitCode"]
        endings.note_exit(task, container.id, code)
        if condition == "COMPLETE" or (condition == "SUCCESS" and code == 0):
            return True
        raise DependencyError(
            f"dependency container {name} exited with code {code} (condition {condition})"
        )
    health = state.get("Health", {}).get("Status")
    if condition == "HEALTHY" and health == "unhealthy":
        raise DependencyError(f"dependency container {name} is unhealthy")
    return bool(condition == "HEALTHY" and health == "healthy")


def _is_local(client: Any, image: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True
