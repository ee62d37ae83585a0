"""Translation of ECS container definitions into Docker's terms."""

import re
from collections.abc import Collection, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

from localaws.settings import Settings

MEBIBYTE = 1024 * 1024
CPU_UNITS = 1024  # of one vCPU
NANOSECONDS = 1_000_000_000
NANO_CPUS = 1_000_000_000  # of one vCPU
#: Seconds between SIGTERM and SIGKILL when the task definition has none (Fargate's default).
STOP_TIMEOUT = 30
#: Docker label with the name of a container in its task definition.
CONTAINER_NAME = "com.amazonaws.ecs.container-name"

_ECR = re.compile(
    r"^(?P<account>\d{12})\.dkr[.-]ecr\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)/(?P<rest>.+)$"
)


def local_image(image: str, registry: str) -> str:
    """The reference under which the local registry serves an image of Amazon ECR; other references stay."""
    match = _ECR.match(image)
    return f"{registry}/{match['rest']}" if match else image


def start_order(definitions: Sequence[Mapping[str, Any]]) -> list[int]:
    """Indexes of the container definitions, each after those that it depends on; raises graphlib.CycleError."""
    positions = {definition["name"]: index for index, definition in enumerate(definitions)}
    order = TopologicalSorter(
        {
            index: [positions[each["containerName"]] for each in definition.get("dependsOn", [])]
            for index, definition in enumerate(definitions)
        }
    )
    return list(order.static_order())


def task_volumes(task_id: str, task_definition: Mapping[str, Any]) -> dict[str, str]:
    """Name in the task definition → Docker volume, for each bind mount without a host path."""
    return {
        volume["name"]: f"ecs-{task_id}-{volume['name']}"
        for volume in task_definition.get("volumes", [])
        if not (volume.get("host") or {}).get("sourcePath")
        and "efsVolumeConfiguration" not in volume
    }


def fargate_mounts(mounts: Sequence[str], declared: Collection[str]) -> list[str]:
    """Docker's mounts as Fargate makes them: root's with mode 0755, unless the image declares the path as a VOLUME.

    Docker itself copies owner and mode of any path of the image (ECS developer guide, bind mounts).
    """
    return [
        mount if mount.startswith("/") or mount.split(":")[1] in declared else f"{mount},nocopy"
        for mount in mounts
    ]


def stop_timeout(definition: Mapping[str, Any]) -> int:
    """Seconds that the container gets between SIGTERM and SIGKILL."""
    return int(definition.get("stopTimeout") or STOP_TIMEOUT)


def healthcheck(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The container's own health check. ECS never uses the image's, so without a definition there is none."""
    check = definition.get("healthCheck")
    if not check:
        return {"test": ["NONE"]}
    return {
        "test": check["command"],
        "interval": int(check.get("interval", 30)) * NANOSECONDS,
        "timeout": int(check.get("timeout", 5)) * NANOSECONDS,
        "retries": int(check.get("retries", 3)),
        "start_period": int(check.get("startPeriod", 0)) * NANOSECONDS,
    }


def options(
    definition: Mapping[str, Any],
    task_definition: Mapping[str, Any],
    task_id: str,
    settings: Settings,
) -> dict[str, Any]:
    """Keyword arguments of docker-py's ``containers.run`` that a container definition asks for."""
    linux = definition.get("linuxParameters") or {}
    chosen: dict[str, Any] = {
        "network": settings.network,
        "healthcheck": healthcheck(definition),
        "read_only": bool(definition.get("readonlyRootFilesystem")),
        "init": bool(linux.get("initProcessEnabled")),
        "tty": bool(definition.get("pseudoTerminal")),
        "stdin_open": bool(definition.get("interactive")),
        # Enough for `docker logs` by hand; the log group has it all.
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "1"}},
        **_resources(definition, task_definition, settings),
    }
    direct = {
        "entrypoint": definition.get("entryPoint"),
        "user": definition.get("user"),
        "working_dir": definition.get("workingDirectory"),
        "hostname": definition.get("hostname"),
        "cap_drop": (linux.get("capabilities") or {}).get("drop"),
        "ulimits": [
            {"Name": limit["name"], "Soft": limit["softLimit"], "Hard": limit["hardLimit"]}
            for limit in definition.get("ulimits", [])
        ],
        "tmpfs": {
            mount["containerPath"]: ",".join(
                [f"size={mount['size']}m", *mount.get("mountOptions", [])]
            )
            for mount in linux.get("tmpfs", [])
        },
        "shm_size": (linux.get("sharedMemorySize") or 0) * MEBIBYTE,
        "volumes": _mounts(definition, task_definition, task_id),
    }
    return chosen | {name: value for name, value in direct.items() if value}


def _resources(
    definition: Mapping[str, Any], task_definition: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """Limits: the container's own memory, else the task's; CPU as a weight, or as a cap by settings."""
    chosen: dict[str, Any] = {}
    memory = int(definition.get("memory") or task_definition.get("memory") or 0)
    if memory:
        # Equal limits mean no swap, as on Fargate.
        chosen |= {"mem_limit": memory * MEBIBYTE, "memswap_limit": memory * MEBIBYTE}
    if definition.get("memoryReservation"):
        chosen["mem_reservation"] = int(definition["memoryReservation"]) * MEBIBYTE
    cpu = int(definition.get("cpu") or task_definition.get("cpu") or 0)
    if cpu and settings.cpu_quota:
        chosen["nano_cpus"] = cpu * NANO_CPUS // CPU_UNITS
    elif cpu:
        chosen["cpu_shares"] = max(2, cpu)
    return chosen


def _mounts(
    definition: Mapping[str, Any], task_definition: Mapping[str, Any], task_id: str
) -> list[str]:
    """Mounts of the task's own volumes; ministack itself mounts those with a host path."""
    own = task_volumes(task_id, task_definition)
    return [
        f"{own[mount['sourceVolume']]}:{mount['containerPath']}"
        f":{'ro' if mount.get('readOnly') else 'rw'}"
        for mount in definition.get("mountPoints", [])
        if mount["sourceVolume"] in own
    ]
