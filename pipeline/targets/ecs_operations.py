"""The service's tasks on ECS: their output, commands in them (ECS Exec), and why they started and stopped."""

import json
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from pipeline.aws import account as aws
from pipeline.aws import ecs as api
from pipeline.aws import exec_session
from pipeline.aws.account import Account
from pipeline.core import process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file
from pipeline.images import docker
from pipeline.releases.environments import Environment
from pipeline.targets import ecs
from pipeline.targets.logs import Event, Line
from pipeline.terraform import roots

PLUGIN = "session-manager-plugin"
#: The name of the variable that the plugin reads a session from, given in the session's place: its token is a secret.
SESSION = "AWS_SSM_START_SESSION_RESPONSE"
#: Docker labels that the local AWS gives the containers of a task.
TASK_LABEL, CONTAINER_LABEL = "com.amazonaws.ecs.task-arn", "com.amazonaws.ecs.container-name"


def lines(environment: Environment, since: datetime) -> Iterator[Line]:
    """The lines of the service's log group in CloudWatch, also of tasks that are gone."""
    client: Any = _account(environment).client("logs")
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=f"/ecs/{roots.base_name(environment)}",
        startTime=int(since.timestamp() * 1000),
    )
    try:
        for page in pages:
            for event in page["events"]:
                time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                replica = event["logStreamName"].rpartition("/")[2]
                yield Line(time, replica, event["message"].rstrip())
    except client.exceptions.ResourceNotFoundException as error:
        raise _missing(environment) from error


def replicas(environment: Environment) -> list[str]:
    """The ids of the running tasks."""
    service = ecs.running(environment, _account(environment))
    if service is None or not service.running:
        raise _missing(environment)
    return [arn.rpartition("/")[2] for arn in service.running]


def execute(
    environment: Environment,
    replica: str,
    command: Sequence[str],
    on_line: Callable[[str], None],
) -> int:
    """The exit code of a command in a task, by ECS Exec; runs as root, standard error among the output.

    Raises PipelineError where ECS refuses, the plugin is missing, or the session ended before the command.
    """
    account, name = _account(environment), roots.base_name(environment)
    reader = exec_session.Reader(on_line)
    line = exec_session.launched(command, reader.mark)
    cluster, _ = roots.service_names(environment)
    asked = {"cluster": cluster, "task": replica, "container": name, "interactive": True}
    try:
        answer = account.client("ecs").execute_command(**asked, command=line)
    except ClientError as error:
        raise _refused(error, environment) from error
    if account.local:
        _in_container(answer, line, reader.take)
    else:
        _in_session(account, answer, replica, reader.take)
    if reader.code is None:
        raise PipelineError(
            f"the session with task {replica} ended before the command",
            next_step="read the log; ./inv events shows whether the task has stopped",
            log=log_file("exec"),
        )
    return reader.code


def events(environment: Environment, since: datetime) -> Iterator[Event]:
    """The service's events, of which ECS keeps the last 100, and the tasks that it stopped within the last hour."""
    client = _account(environment).client("ecs")
    names = roots.service_names(environment)
    for time, about, reason, message in api.events(client, *names):
        if time >= since:
            yield Event(time, about, reason, message)


def _in_container(answer: Any, line: str, on_line: Callable[[str], None]) -> None:
    """Runs what the local AWS has allowed: a session of its own protocol it has none, so Docker runs the command."""
    engine = docker.client()
    labels = [f"{TASK_LABEL}={answer['taskArn']}", f"{CONTAINER_LABEL}={answer['containerName']}"]
    found = engine.containers.list(filters={"label": labels})
    if found:
        # As the agent of Systems Manager: split in words, without a shell, as root and on a terminal.
        docker.execute(found[0], shlex.split(line), on_line, user="root", tty=True)


def _in_session(account: Account, answer: Any, task: str, on_line: Callable[[str], None]) -> None:
    """Follows a session with AWS's own plugin, which wants a terminal: ``script`` of util-linux gives it one."""
    plugin = shutil.which(PLUGIN)
    if plugin is None:
        raise PipelineError(
            f"ECS Exec needs {PLUGIN} on this machine",
            next_step="install it as AWS's Systems Manager user guide says, then run this again",
        )
    client: Any = account.client("ecs")
    cluster = answer["clusterArn"].rpartition("/")[2]
    [described] = client.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
    runtime = next(
        each["runtimeId"]
        for each in described["containers"]
        if each["name"] == answer["containerName"]
    )
    names = {"sessionId": "SessionId", "streamUrl": "StreamUrl", "tokenValue": "TokenValue"}
    session = {names[key]: value for key, value in answer["session"].items()}
    region = client.meta.region_name
    target = json.dumps({"Target": f"ecs:{cluster}_{task}_{runtime}"})
    argv = [
        plugin,
        SESSION,
        region,
        "StartSession",
        "",
        target,
        f"https://ssm.{region}.amazonaws.com",
    ]
    process.run(
        ["script", "--quiet", "--return", "--command", shlex.join(argv), "/dev/null"],
        log=log_file("exec"),
        env={**account.environ, SESSION: json.dumps(session)},
        on_line=on_line,
    )


def _account(environment: Environment) -> Account:
    account = aws.existing_account(environment)
    if account is None:
        raise _missing(environment)
    return account


def _missing(environment: Environment) -> PipelineError:
    return PipelineError(f"{environment.name} does not run on ECS", next_step=ecs.MISSING)


def _refused(error: ClientError, environment: Environment) -> PipelineError:
    given = error.response.get("Error", {})
    message = given.get("Message", "").rstrip(".")
    step = "ask for the right ecs:ExecuteCommand on the environment's cluster and tasks"
    if not given.get("Code", "").startswith("AccessDenied"):
        step = (
            f"set aws.service.execute_command in environments/{environment.name}.yaml and deploy: "
            "docs/operations.md says what that opens"
        )
    return PipelineError(f"ECS Exec was refused: {message}", next_step=step)
