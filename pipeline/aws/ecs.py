"""What really runs on ECS, asked of the AWS API as an outsider would: Terraform's word is not taken for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_logs import CloudWatchLogsClient

LOG_LINES = 12


@dataclass(frozen=True)
class Service:
    """An ECS service as it is now.

    ``task_definition`` is the ARN that the service wants; ``running`` maps the ARN of each task that runs to the
    digest of its application container; ``events`` are the newest first; ``deployed_at`` is when the deployment that
    runs, or is under way, was started.
    """

    task_definition: str
    desired: int
    running: dict[str, str]
    events: Sequence[str]
    deployed_at: datetime | None

    @property
    def digests(self) -> set[str]:
        """The different digests that run now; one when no deployment is under way."""
        return set(self.running.values())


def service(client: "ECSClient", cluster: str, name: str, container: str) -> Service | None:
    """Reads a service and its running tasks; None when there is no such active service.

    Args:
        container: The one that serves; the others of the task prepare for it.

    Raises:
        botocore.exceptions.ClientError: The API refused.
    """
    try:
        found = client.describe_services(cluster=cluster, services=[name])["services"]
    except client.exceptions.ClusterNotFoundException:
        return None
    active = [one for one in found if one["status"] == "ACTIVE"]
    if not active:
        return None
    arns = client.list_tasks(cluster=cluster, serviceName=name, desiredStatus="RUNNING")["taskArns"]
    tasks = client.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    return Service(
        task_definition=active[0]["taskDefinition"],
        desired=active[0]["desiredCount"],
        running={
            task["taskArn"]: _digest(task, container)
            for task in tasks
            if task.get("lastStatus") == "RUNNING"
        },
        events=[event["message"] for event in active[0].get("events", [])],
        deployed_at=next(
            (one["createdAt"] for one in active[0]["deployments"] if one["status"] == "PRIMARY"),
            None,
        ),
    )


def image_of(client: "ECSClient", task_definition: str, container: str) -> str:
    """The image that a task definition gives a container."""
    definition = client.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
    for one in definition["containerDefinitions"]:
        if one["name"] == container:
            return one["image"]
    raise KeyError(f"{task_definition} has no container {container}")


def last_failure(
    client: "ECSClient", logs: "CloudWatchLogsClient", cluster: str, name: str, log_group: str
) -> list[str]:
    """Why the newest stopped task stopped: reason, exit codes and the container's last log lines; empty when none."""
    arns = client.list_tasks(cluster=cluster, serviceName=name, desiredStatus="STOPPED")["taskArns"]
    tasks = client.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    failed = [task for task in tasks if _is_failure(task)]
    if not failed:
        return []
    newest = max(failed, key=lambda task: str(task.get("stoppedAt") or task.get("createdAt")))
    lines = [f"task stopped: {newest.get('stoppedReason', 'no reason given')}"]
    for container in newest["containers"]:
        if "exitCode" in container:
            lines.append(f"container {container['name']} ended with code {container['exitCode']}")
    return lines + _log_tail(logs, log_group, newest["taskArn"].rsplit("/", 1)[-1])


def _is_failure(task: Any) -> bool:
    codes = [container.get("exitCode") for container in task["containers"]]
    return any(codes) or "health" in task.get("stoppedReason", "").lower()


def _log_tail(logs: "CloudWatchLogsClient", group: str, task_id: str) -> list[str]:
    try:
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        messages: list[tuple[int, str]] = []
        for stream in streams:
            if stream["logStreamName"].endswith(task_id):
                events = logs.get_log_events(
                    logGroupName=group,
                    logStreamName=stream["logStreamName"],
                    limit=LOG_LINES,
                    startFromHead=False,
                )["events"]
                messages += [(event["timestamp"], event["message"].rstrip()) for event in events]
    except (ClientError, BotoCoreError) as error:
        return [f"its log could not be read: {error}"]
    return [message for _, message in sorted(messages)][-LOG_LINES:]


def _digest(task: Any, container: str) -> str:
    for one in task["containers"]:
        if one["name"] == container:
            known: str = one.get("imageDigest") or one.get("image", "").partition("@")[2]
            return known
    return ""
