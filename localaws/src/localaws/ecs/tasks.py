"""Starts of ECS tasks as on Fargate: images of ECR, start order, volumes, limits, and complete logs.
Each hook gets ministack's own function as ``original``.
"""

import functools
import json
import logging
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from localaws import emulator
from localaws.ecs import containers, endings
from localaws.emulator import ecr, ecs, responses, secretsmanager
from localaws.settings import Settings

logger = logging.getLogger("localaws.tasks")

#: Seconds that a container may take to meet the condition another one waits for (Fargate's default).
DEPENDENCY_TIMEOUT = 180
_POLL = 0.1

_TASK_ARN = "com.amazonaws.ecs.task-arn"


class DependencyError(Exception):
    """A container that another one waits for has not met its condition."""


def install(settings: Settings, supervise: Callable[[dict[str, Any]], None]) -> None:
    """Extends ministack's ECS. ``supervise`` is called in the task's scope once all its containers run."""
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
    emulator.wrap(ecs, "_resolve_container_secrets", _resolve_secrets)
    emulator.replace(ecs, "_run_task_worker", _work)

    def watch(task: Any, client: Any, account: str, region: str) -> None:
        endings.watch(task, client)
        supervise(task)

    emulator.replace(ecs, "_watch_task_lifecycle", watch)
    endings.install()


def gateway(client: Any, network: str) -> str | None:
    """The address under which the tasks' network reaches this machine."""
    configs = client.networks.get(network).attrs["IPAM"]["Config"]
    return configs[0].get("Gateway") if configs else None


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
    address = gateway(ecs._get_docker(), settings.network)
    own = {"host.docker.internal": address} if address else {}
    chosen["extra_hosts"] = own | {
        host["hostname"]: host["ipAddress"] for host in cdef.get("extraHosts", [])
    }
    return chosen | extra


def _run_container(
    settings: Settings, original: Any, client: Any, cdef: Any, kwargs: Any, **rest: Any
) -> Any:
    """Waits for what the container depends on, and pulls only what a pull can change."""
    task = ecs._tasks.get(kwargs["labels"][_TASK_ARN])
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
    runner = SimpleNamespace(run=functools.partial(_run_image, client))
    return original(SimpleNamespace(images=client.images, containers=runner), cdef, kwargs, **rest)


def _run_image(client: Any, image: str, **options: Any) -> Any:
    """Runs an image that is pulled by now: what it declares as VOLUME decides over the mounts."""
    if not _is_local(client, image):
        client.images.pull(image)
    declared = client.images.get(image).attrs["Config"].get("Volumes") or {}
    options["volumes"] = containers.fargate_mounts(options.get("volumes") or [], declared)
    return client.containers.run(image, **options)


def _in_registry(settings: Settings, image: str) -> bool:
    """Whether the local registry holds the digest that the image is named by; what is named by tag may change."""
    name, _, digest = image.removeprefix(f"{settings.registry}/").partition("@")
    manifests = ecr._manifest_blobs.get(name) or {}
    return bool(digest) and digest in manifests


def _resolve_images(settings: Settings, original: Any, task: Any, td: Any, client: Any) -> Any:
    """Lets ministack ask for digests only where there is a registry that knows them."""
    images = [definition["image"] for definition in td["containerDefinitions"]]
    if any(image.startswith(settings.registry) for image in images):
        return original(task, td, client)
    svc = endings.service_of(task)
    deployment = ecs._deployment_for_task(svc, task) if svc else None
    if deployment:
        deployment["_image_resolution_disabled"] = True
    return deployment


def _record_ip(settings: Settings, original: Any, task: Any, container: Any, network: Any) -> Any:
    """The task's address is that of the container behind the load balancer, not of the first one started."""
    name = container.labels.get(containers.CONTAINER_NAME)
    if name == task.get("_serving", name):
        return original(task, container, network or settings.network)
    return None


def _forward_logs(original: Any, container: Any, *args: Any) -> Any:
    end = endings.log_ends.setdefault(container.id, threading.Event())
    try:
        return original(container, *args)
    finally:
        end.set()


def _resolve_secrets(original: Any, cdef: Any) -> Any:
    """Values by variable; ministack leaves out the stage and version of ``ARN:key:stage:version``."""
    values = original(cdef)
    for secret in cdef.get("secrets", []):
        parts = secret["valueFrom"].split(":")
        if not any(parts[8:]):
            continue
        arn, (key, stage, version) = ":".join(parts[:7]), parts[7:]
        text = secretsmanager.resolve_secret_string(arn, stage or "AWSCURRENT", version or None)
        if text is None:
            raise ecs._SecretResolutionError(f"{secret['valueFrom']} has no such version")
        values[secret["name"]] = str(json.loads(text)[key]) if key else text
    return values


def _start_log_forwarder(original: Any, container: Any, cdef: Any, task_id: Any) -> Any:
    if (cdef.get("logConfiguration") or {}).get("logDriver") == "awslogs":
        endings.log_ends[container.id] = threading.Event()  # its removal waits for the last line
    return original(container, cdef, task_id)


def _work(*arguments: Any) -> None:
    """A task's start, in a thread of its own; what stops it becomes the task's stopped reason."""
    task, td, overrides, client, account, region = arguments
    with responses.request_scope(account, region):
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


def _start(settings: Settings, original: Any, task: Any, td: Any, *rest: Any) -> Any:
    """Local image names and start order, before ministack starts the containers one after the other."""
    definitions = td["containerDefinitions"]
    order = containers.start_order(definitions)
    task_id = task["taskArn"].rsplit("/", 1)[-1]
    with ecs.resource_lock("ecs-task", task["taskArn"]):
        for key in ("containers", "_container_essentials"):
            task[key] = [task[key][index] for index in order]
        task["_serving"] = _serving(task, definitions)
        task["_stop_timeouts"] = {
            definition["name"]: containers.stop_timeout(definition) for definition in definitions
        }
        task["_volumes"] = list(containers.task_volumes(task_id, td).values())
        task["_health_checks"] = {
            definition["name"]: definition["healthCheck"]
            for definition in definitions
            if definition.get("healthCheck")
        }
    ordered = [
        definitions[index]
        | {"image": containers.local_image(definitions[index]["image"], settings.registry)}
        for index in order
    ]
    return original(task, {**td, "containerDefinitions": ordered}, *rest)


def _serving(task: dict[str, Any], definitions: list[dict[str, Any]]) -> str:
    """The container whose address is the task's: the one behind the load balancer, else the first with a port."""
    for balanced in (endings.service_of(task) or {}).get("loadBalancers") or []:
        if balanced.get("containerName"):
            return str(balanced["containerName"])
    with_port = [definition["name"] for definition in definitions if definition.get("portMappings")]
    return str((with_port or [definitions[0]["name"]])[0])


def _await_dependencies(client: Any, task: dict[str, Any], cdef: dict[str, Any]) -> None:
    """Waits for the containers that this one depends on; raises DependencyError when one cannot meet its condition."""
    for wanted in cdef.get("dependsOn") or []:
        name, condition = wanted["containerName"], wanted["condition"]
        index = [container["name"] for container in task["containers"]].index(name)
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
