"""Task definitions in Docker's terms."""

from dataclasses import replace
from graphlib import CycleError
from typing import Any

import pytest
from localaws.ecs import containers
from localaws.settings import complete

SETTINGS = complete({"network": "net", "owner_label": "label", "owner": "abc"})
DIGEST = "sha256:" + "0" * 64


def options(definition: dict[str, Any], task: dict[str, Any] | None = None) -> dict[str, Any]:
    return containers.options({"name": "app"} | definition, task or {}, "t1", SETTINGS)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (
            f"123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@{DIGEST}",
            f"localhost:4566/shop@{DIGEST}",
        ),
        (
            "123456789012.dkr.ecr.eu-west-3.amazonaws.com/team/app:1.2",
            "localhost:4566/team/app:1.2",
        ),
        ("postgres:15-alpine", "postgres:15-alpine"),
        ("public.ecr.aws/docker/library/redis:8", "public.ecr.aws/docker/library/redis:8"),
        ("12.dkr.ecr.us-east-1.amazonaws.com/app", "12.dkr.ecr.us-east-1.amazonaws.com/app"),
    ],
)
def test_only_images_of_ecr_come_from_the_local_registry(image: str, expected: str) -> None:
    assert containers.local_image(image, SETTINGS.registry) == expected


def test_what_others_depend_on_starts_first() -> None:
    definitions: list[dict[str, Any]] = [
        {"name": "app", "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}]},
        {"name": "agent"},
        {"name": "migrate", "dependsOn": [{"containerName": "agent", "condition": "START"}]},
    ]
    order = [definitions[index]["name"] for index in containers.start_order(definitions)]
    assert order == ["agent", "migrate", "app"]


def test_circular_dependencies_are_refused() -> None:
    definitions = [
        {"name": "a", "dependsOn": [{"containerName": "b", "condition": "START"}]},
        {"name": "b", "dependsOn": [{"containerName": "a", "condition": "START"}]},
    ]
    with pytest.raises(CycleError):
        containers.start_order(definitions)


def test_a_read_only_container_with_its_own_user_and_no_capability() -> None:
    chosen = options(
        {
            "readonlyRootFilesystem": True,
            "user": "10001",
            "linuxParameters": {
                "capabilities": {"add": [], "drop": ["ALL"]},
                "initProcessEnabled": True,
            },
        }
    )
    assert chosen["read_only"] is True
    assert chosen["user"] == "10001"
    assert chosen["cap_drop"] == ["ALL"]
    assert chosen["init"] is True


def test_writable_paths_are_volumes_of_the_task() -> None:
    task = {
        "volumes": [
            {"name": "tmp", "host": {}},
            {"name": "data"},
            {"name": "fixed", "host": {"sourcePath": "/srv"}},
        ]
    }
    mounts = [
        {"sourceVolume": "tmp", "containerPath": "/tmp"},  # noqa: S108 - a path in the container
        {"sourceVolume": "data", "containerPath": "/data", "readOnly": True},
        {"sourceVolume": "fixed", "containerPath": "/srv"},
    ]
    assert options({"mountPoints": mounts}, task)["volumes"] == [
        "ecs-t1-tmp:/tmp:rw",
        "ecs-t1-data:/data:ro",
    ]
    assert set(containers.task_volumes("t1", task)) == {"tmp", "data"}


def test_a_volume_at_a_path_that_the_image_does_not_declare_is_root_s_alone() -> None:
    mounts = ["ecs-t1-tmp:/tmp:rw", "ecs-t1-data:/data:ro", "/srv:/srv:rw"]
    assert containers.fargate_mounts(mounts, {"/tmp": {}}) == [  # noqa: S108 - in the container
        "ecs-t1-tmp:/tmp:rw",
        "ecs-t1-data:/data:ro,nocopy",
        "/srv:/srv:rw",
    ]


def test_memory_is_limited_without_swap_and_cpu_is_weighed() -> None:
    chosen = options({}, {"cpu": "256", "memory": "512"})
    assert chosen["mem_limit"] == chosen["memswap_limit"] == 512 * 1024 * 1024
    assert chosen["cpu_shares"] == 256
    assert "nano_cpus" not in chosen
    own = options({"memory": 128, "memoryReservation": 64}, {"cpu": "256", "memory": "512"})
    assert own["mem_limit"] == 128 * 1024 * 1024
    assert own["mem_reservation"] == 64 * 1024 * 1024


def test_cpu_is_capped_where_that_is_asked_for() -> None:
    capped = replace(SETTINGS, cpu_quota=True)
    chosen = containers.options({"name": "app"}, {"cpu": "256"}, "t1", capped)
    assert chosen["nano_cpus"] == 250_000_000


def test_the_image_s_own_health_check_is_off_as_on_ecs() -> None:
    assert options({})["healthcheck"] == {"test": ["NONE"]}


def test_the_defined_health_check_is_in_nanoseconds() -> None:
    check = {"command": ["CMD", "true"], "interval": 5, "retries": 2, "startPeriod": 3}
    assert options({"healthCheck": check})["healthcheck"] == {
        "test": ["CMD", "true"],
        "interval": 5_000_000_000,
        "timeout": 5_000_000_000,
        "retries": 2,
        "start_period": 3_000_000_000,
    }


def test_stop_timeout_has_fargate_s_default() -> None:
    assert containers.stop_timeout({}) == 30
    assert containers.stop_timeout({"stopTimeout": 60}) == 60
