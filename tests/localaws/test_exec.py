"""ExecuteCommand refuses what ECS refuses; what runs the command afterwards is not its business."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localaws.ecs import exec_command

from tests.localaws.cluster import Service
from tests.localaws.conftest import World

READ_ONLY = {"readonlyRootFilesystem": True}
MOUNTS = [
    {"sourceVolume": f"v{number}", "containerPath": path}
    for number, path in enumerate(exec_command.AGENT_PATHS)
]


@pytest.mark.parametrize(
    ("task", "definition", "runs"),
    [
        ({}, {}, True),
        ({"enableExecuteCommand": False}, {}, False),
        ({"lastStatus": "PENDING"}, {}, False),
        ({"lastStatus": "STOPPED"}, {}, False),
        ({}, READ_ONLY, False),
        ({}, {**READ_ONLY, "mountPoints": MOUNTS}, True),
        ({}, {**READ_ONLY, "mountPoints": MOUNTS[1:]}, False),
        ({}, {**READ_ONLY, "mountPoints": [{**each, "readOnly": True} for each in MOUNTS]}, False),
    ],
)
def test_the_agent_runs_where_it_is_enabled_and_can_write(
    task: dict[str, Any], definition: dict[str, Any], runs: bool
) -> None:
    running = {"enableExecuteCommand": True, "lastStatus": "RUNNING", **task}
    assert exec_command.agent_runs(running, definition) == runs


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[Service]:
    made = Service(world, "exec")
    made.create()
    yield made
    made.delete()


def ask(service: Service, **other: Any) -> Any:
    asked = {"cluster": service.name, "command": "python -V", "interactive": True, **other}
    return service.world.client("ecs").execute_command(**asked)


@pytest.mark.engine
def test_a_command_is_refused_until_a_task_has_started_with_it_enabled(service: Service) -> None:
    before = service.tasks()[0]["taskArn"]
    with pytest.raises(ClientError, match="was not enabled when the task was run"):
        ask(service, task=before)
    ecs = service.world.client("ecs")
    ecs.update_service(cluster=service.name, service=service.name, enableExecuteCommand=True)
    with pytest.raises(ClientError, match="was not enabled when the task was run"):
        ask(service, task=before)  # enabling changes no task that runs
    service.deploy(service.register())
    service.wait_steady()
    task = next(each["taskArn"] for each in service.tasks() if each["enableExecuteCommand"])
    answer = ask(service, task=task)
    assert (answer["containerName"], answer["taskArn"]) == ("app", task)
    assert set(answer["session"]) == {"sessionId", "streamUrl", "tokenValue"}
    with pytest.raises(ClientError, match="Interactive is the only mode"):
        ask(service, task=task, interactive=False)
    with pytest.raises(ClientError, match="no container of the task has it"):
        ask(service, task=task, container="other")
    with pytest.raises(ClientError, match="The referenced task was not found"):
        ask(service, task="0" * 32)
