"""ExecuteCommand as ECS refuses it. There is no session behind the answer: the caller runs the command by Docker.

Follows https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from collections.abc import Mapping
from typing import Any

from localaws import emulator
from localaws.emulator import ecs

#: What the agent of Systems Manager writes to; with a read-only root file system each must be a writable mount
#: (https://github.com/aws/containers-roadmap/issues/1359).
AGENT_PATHS = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")
NO_AGENT = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command"
    " agent isn't running. Wait and try again or run a new task with execute command enabled and try again."
)


def install() -> None:
    """Extends ministack's ExecuteCommand, which allows everything."""
    emulator.wrap(ecs, "_execute_command", _execute_command)


def agent_runs(task: Mapping[str, Any], definition: Mapping[str, Any]) -> bool:
    """Whether the agent of Systems Manager runs in a container of a task."""
    if not task.get("enableExecuteCommand") or task.get("lastStatus") != "RUNNING":
        return False
    writable = {
        mount["containerPath"]
        for mount in definition.get("mountPoints") or []
        if not mount.get("readOnly")
    }
    return not definition.get("readonlyRootFilesystem") or writable.issuperset(AGENT_PATHS)


def _execute_command(original: Any, data: dict[str, Any]) -> Any:
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    task = ecs._resolve_task(data.get("task", ""), cluster) if cluster else None
    if task is None:
        return original(data)
    if not data.get("interactive"):
        return _refused("Interactive is the only mode supported currently.")
    if not str(data.get("command") or "").strip():
        return _refused("Command cannot be blank.")
    definitions = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])][
        "containerDefinitions"
    ]
    # With several containers the caller has to name one.
    name = data.get("container") or (definitions[0]["name"] if len(definitions) == 1 else "")
    definition = next((each for each in definitions if each["name"] == name), None)
    running = {each["name"] for each in task["containers"] if each.get("lastStatus") == "RUNNING"}
    if definition is None:
        return _refused("The container name is missing, or no container of the task has it.")
    if name not in running or not agent_runs(task, definition):
        return _refused(NO_AGENT)
    return original({**data, "container": name})


def _refused(message: str) -> Any:
    return ecs.error_response_json("InvalidParameterException", message, 400)
