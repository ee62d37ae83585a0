"""A service behind the load balancer: what Terraform, its users and an operator see of deployments and failures."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import docker
import httpx
import pytest

from pipeline.aws import localaws
from pipeline.benchmarks import load
from tests.localaws.cluster import DRAIN_SECONDS, Service
from tests.localaws.conftest import World, until

pytestmark = pytest.mark.engine

RATE = 50


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[Service]:
    made = Service(world, "rolling")
    made.create()
    yield made
    made.delete()


def get(path: str = "/") -> dict[str, Any]:
    answer = httpx.get(f"{localaws.url()}{path}", trust_env=False)
    answer.raise_for_status()
    return dict(answer.json())


def test_both_replicas_are_healthy_and_answer(service: Service) -> None:
    assert sorted(service.health().values()) == ["healthy", "healthy"]
    assert len({get()["host"] for _ in range(10)}) == 2


def test_settings_come_back_as_they_were_given(service: Service) -> None:
    assert service.describe()["availabilityZoneRebalancing"] == "ENABLED"


def test_a_deployment_under_load_loses_nothing(service: Service) -> None:
    before = {task["taskArn"] for task in service.tasks()}
    with load.constant(localaws.url(), RATE) as sent:
        wanted = service.register()
        service.deploy(wanted)
        steady = service.wait_steady()
        assert "draining" in service.health().values()
        until(lambda: "draining" not in service.health().values(), "the old targets to be gone")
    assert steady["taskDefinition"] == wanted
    assert sent.failures == []
    assert sent.sent > RATE * DRAIN_SECONDS
    stopped = {task["taskArn"]: task for task in service.tasks("STOPPED")}
    assert before <= stopped.keys()
    assert {stopped[arn]["stopCode"] for arn in before} == {"ServiceSchedulerInitiated"}


def test_tasks_get_sigterm_only_after_they_are_drained(service: Service) -> None:
    def all_ended() -> list[dict[str, Any]]:
        found = service.tasks("STOPPED")
        return found if {task["lastStatus"] for task in found} == {"STOPPED"} else []

    ended = until(all_ended, "the old tasks to end")
    for task in ended:
        drained = (task["executionStoppedAt"] - task["stoppingAt"]).total_seconds()
        assert drained >= DRAIN_SECONDS - 1, "timestamps are whole seconds"
        assert [container["exitCode"] for container in task["containers"]] == [0]
    assert service.log_lines().count("ending") == len(ended)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("crash", "(container app exited with code 3)"),
        ("never", "Health checks failed with these codes: [503]"),
        ("broken", "Health checks failed with these codes: [500]"),
    ],
)
def test_a_bad_version_is_rolled_back_and_loses_nothing(
    service: Service, mode: str, told: str
) -> None:
    good = service.describe()["taskDefinition"]
    bad = service.register(mode)
    with load.constant(localaws.url(), RATE) as sent:
        service.deploy(bad)
        until(lambda: service.describe()["taskDefinition"] == good, "the rollback")
        service.wait_steady()
    assert sent.failures == []
    assert told in service.events()
    assert "rolled back" in service.events()
    failed = [task for task in service.tasks("STOPPED") if task["taskDefinitionArn"] == bad]
    assert len(failed) >= 3
    deployments = service.world.client("ecs").list_service_deployments(
        cluster=service.name, service=service.name
    )["serviceDeployments"]
    assert "ROLLBACK_SUCCESSFUL" in {one["status"] for one in deployments}


def test_the_last_words_of_a_crashed_task_are_in_its_logs(service: Service) -> None:
    crashed = [
        task for task in service.tasks("STOPPED") if task["stopCode"] == "EssentialContainerExited"
    ]
    assert crashed
    assert {task["stoppedReason"] for task in crashed} == {"Essential container in task exited"}
    # One more of them may have been ending already when the deployment was rolled back.
    assert service.log_lines().count("boom: this version cannot start") >= len(crashed)


def test_a_task_that_is_stopped_by_hand_is_replaced_and_loses_nothing(service: Service) -> None:
    victim = service.tasks()[0]["taskArn"]
    with load.constant(localaws.url(), RATE) as sent:
        service.world.client("ecs").stop_task(cluster=service.name, task=victim, reason="a test")
        until(lambda: victim not in service.task_arns(), "the task to leave")
        service.wait_steady()
    assert sent.failures == []
    assert len(service.task_arns()) == 2


def test_a_killed_container_is_replaced(service: Service) -> None:
    victim = service.tasks()[0]
    container = docker.from_env().containers.get(victim["containers"][0]["runtimeId"])
    container.kill()
    until(lambda: victim["taskArn"] not in service.task_arns(), "the task to leave")
    service.wait_steady()
    ended = next(task for task in service.tasks("STOPPED") if task["taskArn"] == victim["taskArn"])
    assert ended["containers"][0]["exitCode"] == 137


def test_a_frozen_replica_gets_no_requests_and_is_replaced(service: Service) -> None:
    victim = service.tasks()[0]
    container = docker.from_env().containers.get(victim["containers"][0]["runtimeId"])
    container.pause()
    # It is removed as soon as it is found out: nothing is left to be thawed.
    until(lambda: "(reason Request timed out)" in service.events(), "the failed checks")
    service.wait_steady()
    assert "unhealthy" not in service.health().values()


def test_scaling_out_and_in(service: Service) -> None:
    ecs = service.world.client("ecs")

    def runs(count: int) -> bool:
        return bool(service.describe()["runningCount"] == count)

    for count in (3, 2):
        ecs.update_service(cluster=service.name, service=service.name, desiredCount=count)
        until(partial(runs, count), f"{count} tasks")
    assert list(service.health().values()).count("healthy") == 2


def test_running_requests_of_a_draining_task_end(service: Service) -> None:
    with httpx.Client(trust_env=False) as client:
        began = time.monotonic()
        with client.stream("GET", f"{localaws.url()}/slow") as answer:
            assert answer.status_code == httpx.codes.OK
        assert time.monotonic() - began > 2
