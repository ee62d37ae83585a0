"""What a task gets of its definition (init container, secrets, read-only root, limits), and how it fails to start."""

import json
from collections.abc import Iterator
from typing import Any

import docker
import httpx
import pytest

from pipeline.aws import localaws
from pipeline.core.paths import CHECKOUT_LABEL
from tests.localaws.cluster import Service
from tests.localaws.conftest import World, until

pytestmark = pytest.mark.engine

SECRET = "s3cret, never printed"
TMP = "/tmp"  # noqa: S108 - a path in the container, declared as a VOLUME
#: Writable for all in the image, but no VOLUME: on Fargate a mount here is root's with mode 0755.
UNDECLARED = "/var/tmp"  # noqa: S108 - a path in the container


@pytest.fixture(scope="module")
def secret(world: World) -> str:
    """The ARN of a secret with two JSON keys and an earlier version."""
    client = world.client("secretsmanager")
    earlier, current = (
        json.dumps({"username": "u", "password": each}) for each in ("earlier", SECRET)
    )
    made = client.create_secret(Name="tests/login", SecretString=earlier)
    client.put_secret_value(SecretId=made["ARN"], SecretString=current)
    return str(made["ARN"])


@pytest.fixture(scope="module")
def service(world: World, secret: str) -> Iterator[Service]:
    made = Service(world, "strict")
    made.create(
        init={"command": ["python", "-c", "print('migrated')"]},
        user="10001",
        readonlyRootFilesystem=True,
        secrets=[
            {"name": "SECRET", "valueFrom": f"{secret}:password::"},
            {"name": "EARLIER", "valueFrom": f"{secret}:password:AWSPREVIOUS:"},
        ],
        mountPoints=[
            {"sourceVolume": "tmp", "containerPath": TMP},
            {"sourceVolume": "undeclared", "containerPath": UNDECLARED},
        ],
        linuxParameters={"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        healthCheck={"command": ["CMD", "python", "-c", "pass"], "interval": 60},
        task={"volumes": [{"name": "tmp"}, {"name": "undeclared"}]},
    )
    yield made
    made.delete()


def container_of(service: Service, index: int = 0) -> Any:
    task = service.tasks()[index]
    app = next(one for one in task["containers"] if one["name"] == "app")
    return docker.from_env().containers.get(app["runtimeId"])


def test_the_task_runs_as_it_is_defined(service: Service) -> None:
    answer = httpx.get(localaws.url(), trust_env=False).json()
    assert answer["user"] == 10001
    assert answer["writable"] == [TMP]
    assert answer["secret"] == SECRET


def test_a_secrets_version_is_the_one_that_is_named(service: Service) -> None:
    printed = container_of(service).exec_run(["printenv", "EARLIER"]).output
    assert printed.decode().strip() == "earlier"


def test_a_volume_at_an_undeclared_path_is_root_s_as_on_fargate(service: Service) -> None:
    app = container_of(service)
    stated = app.exec_run(["stat", "-c", "%U %a", TMP, UNDECLARED])
    assert stated.output.decode().split("\n")[:2] == ["root 1777", "root 755"]


def test_docker_enforces_the_limits(service: Service, label: str) -> None:
    container = container_of(service)
    host = container.attrs["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] == host["MemorySwap"] == 512 * 1024 * 1024
    assert host["CpuShares"] == 256
    assert host["CapDrop"] == ["ALL"]
    assert host["Init"] is True
    assert container.labels[CHECKOUT_LABEL] == label


def test_the_init_container_ran_first_and_is_told(service: Service) -> None:
    for task in service.tasks():
        ended = {one["name"]: one.get("exitCode") for one in task["containers"]}
        assert ended == {"init": 0, "app": None}
    assert service.log_lines().count("migrated") == 2


def test_health_is_told_by_container_and_task(service: Service) -> None:
    for task in service.tasks():
        assert task["healthStatus"] == "HEALTHY"


def test_the_address_of_the_task_is_that_of_the_app(service: Service) -> None:
    addresses = set()
    for index, _ in enumerate(service.tasks()):
        networks = container_of(service, index).attrs["NetworkSettings"]["Networks"]
        addresses |= {network["IPAddress"] for network in networks.values()}
    assert addresses == set(service.health())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"init": {"command": ["python", "-c", "raise SystemExit('no migration today')"]}},
            "dependency container init exited with code 1 (condition SUCCESS)",
        ),
        (
            {"secrets": [{"name": "SECRET", "valueFrom": "SECRET:missing::"}]},
            "ResourceInitializationError: unable to pull secrets or registry auth",
        ),
        (
            {"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/server@sha256:" + "0" * 64},
            "CannotPullContainerError",
        ),
    ],
)
def test_a_version_that_cannot_start_is_rolled_back_with_its_reason(
    service: Service, secret: str, change: dict[str, Any], told: str
) -> None:
    for one in change.get("secrets", []):
        one["valueFrom"] = one["valueFrom"].replace("SECRET", secret)
    good = service.describe()["taskDefinition"]
    bad = service.register(**change)
    service.deploy(bad)
    until(lambda: service.describe()["taskDefinition"] == good, "the rollback")
    service.wait_steady()
    assert told in service.events()
    failed = [task for task in service.tasks("STOPPED") if task["taskDefinitionArn"] == bad]
    assert {task["stopCode"] for task in failed} >= {"TaskFailedToStart"}
    assert any(told in task["stoppedReason"] for task in failed)


def test_the_volumes_of_ended_tasks_are_gone(service: Service, label: str) -> None:
    mine = {"label": f"{CHECKOUT_LABEL}={label}", "name": "ecs-"}
    tasks = [arn.rsplit("/", 1)[-1] for arn in service.task_arns()]
    wanted = {f"ecs-{task}-{name}" for task in tasks for name in ("tmp", "undeclared")}
    client = docker.from_env()
    until(
        lambda: {one.name for one in client.volumes.list(filters=mine)} == wanted,
        "two volumes a task",
    )
