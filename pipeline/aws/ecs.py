"""What runs on ECS, read from the AWS API; Terraform's own account of it is not enough."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_logs import CloudWatchLogsClient

LOG_LINES = 12
#: Containers that AWS adds to a task: GuardDuty's agent, Service Connect's proxy (their user guides).
AWS_CONTAINERS = ("aws-guardduty-agent", "ecs-service-connect")


@dataclass(frozen=True)
class Service:
    """An ECS service: the ARN of its task definition, and of each running task with its application's digest.

    ``deployed_at`` is the start of the deployment that runs or is under way.
    """

    task_definition: str
    desired: int
    running: dict[str, str]
    deployed_at: datetime | None

    @property
    def digests(self) -> set[str]:
        """The digests that run now; a single one when no deployment is under way."""
        return set(self.running.values())


def service(client: "ECSClient", cluster: str, name: str, container: str) -> Service | None:
    """A service and its running tasks, with the digests of ``container``; None when it is not active."""
    try:
        services = client.describe_services(cluster=cluster, services=[name])["services"]
    except client.exceptions.ClusterNotFoundException:
        return None
    if not services or services[0]["status"] != "ACTIVE":
        return None
    record = services[0]
    starts = [item["createdAt"] for item in record["deployments"] if item["status"] == "PRIMARY"]
    return Service(
        task_definition=record["taskDefinition"],
        desired=record["desiredCount"],
        running={
            task["taskArn"]: _digest(task, container)
            for task in _tasks(client, cluster, "RUNNING", serviceName=name)
            if task.get("lastStatus") == "RUNNING"
        },
        deployed_at=next(iter(starts), None),
    )


def image_of(client: "ECSClient", task_definition: str, container: str) -> str:
    """The image that a task definition gives a container; raises KeyError when it has no such container."""
    definition = client.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
    return {item["name"]: item["image"] for item in definition["containerDefinitions"]}[container]


def digests(client: "ECSClient", cluster: str) -> set[str]:
    """The digests of all containers that run in a cluster, also of tasks that belong to no service."""
    try:
        tasks = _tasks(client, cluster, "RUNNING")
    except client.exceptions.ClusterNotFoundException:
        return set()
    return {
        _digest(task, item["name"]) or f"{item['image']}, without a digest"
        for task in tasks
        for item in task["containers"]
        if item.get("lastStatus") == "RUNNING" and not item["name"].startswith(AWS_CONTAINERS)
    }


def last_failure(
    client: "ECSClient",
    logs: "CloudWatchLogsClient",
    cluster: str,
    name: str,
    log_group: str,
    *,
    refused: str = "",
) -> list[str]:
    """Why the newest failed task stopped: reason, exit codes and its last log lines; empty when none failed.

    A task of the digest ``refused`` counts as failed, however it ended, where none of them ended by itself: ECS also
    stops those that have only begun.
    """
    stopped = _tasks(client, cluster, "STOPPED", serviceName=name)
    of_refused = [
        task
        for task in stopped
        if refused and refused in {_digest(task, each["name"]) for each in task["containers"]}
    ]
    failed = [task for task in of_refused or stopped if _has_failed(task)] or of_refused
    if not failed:
        return []
    newest = max(failed, key=lambda task: str(task.get("stoppedAt") or task.get("createdAt")))
    reason, *exits = _ending(newest)
    tail = _log_tail(logs, log_group, newest)
    return [f"task stopped: {reason}", *exits, *tail]


def events(
    client: "ECSClient", cluster: str, name: str
) -> Iterator[tuple[datetime, str, str, str]]:
    """Time, object, reason and message of a service's events and of its tasks that stopped; none without a service."""
    try:
        services = client.describe_services(cluster=cluster, services=[name])["services"]
    except client.exceptions.ClusterNotFoundException:
        return
    if not services:
        return
    for service in services:
        for event in service["events"]:
            yield event["createdAt"], name, "service", event["message"]
    for task in _tasks(client, cluster, "STOPPED", serviceName=name):
        message = "; ".join(_ending(task))
        about = f"task {task['taskArn'].rpartition('/')[2]}"
        yield task.get("stoppedAt") or task["createdAt"], about, task.get("stopCode", ""), message


def _has_failed(task: Any) -> bool:
    unhealthy = "health" in task.get("stoppedReason", "").lower()
    return unhealthy or any(each.get("exitCode") for each in task["containers"])


def _ending(task: Any) -> list[str]:
    """Why a task stopped, and the exit code of each container that has one."""
    exits = [
        f"container {each['name']} ended with code {each['exitCode']}"
        for each in task["containers"]
        if "exitCode" in each
    ]
    return [task.get("stoppedReason", "no reason given"), *exits]


def alarmed(client: "ECSClient", cloudwatch: Any, cluster: str, name: str) -> list[str]:
    """The alarms that have failed the service's newest deployment, each with CloudWatch's reason and its figures."""
    alarms = _newest(client, cluster, name).get("alarms", {}).get("triggeredAlarmNames", [])
    return [f"alarm {each}: {_reason(cloudwatch, each)}" for each in alarms]


def unwatched(client: "ECSClient", cluster: str, name: str, *, since: datetime) -> bool:
    """Whether ECS has ignored the alarms of a deployment begun since then: one of them was in ALARM before it.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentAlarms.html
    """
    newest = _newest(client, cluster, name)
    asked = newest.get("deploymentConfiguration", {}).get("alarms", {}).get("enable", False)
    ignored = newest.get("alarms", {}).get("status") == "DISABLED"
    return bool(asked and ignored and newest["createdAt"] >= since)


def _newest(client: "ECSClient", cluster: str, name: str) -> Any:
    """The service's newest deployment; empty when there is none."""
    pages = client.list_service_deployments(cluster=cluster, service=name)["serviceDeployments"]
    newest = max(pages, key=lambda item: item["createdAt"], default=None)  # of one second the first
    if newest is None:
        return {}
    arns = [newest["serviceDeploymentArn"]]
    found = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return next(iter(found), {})


def _reason(cloudwatch: Any, alarm: str) -> str:
    """Why the alarm went off last: it may be over by now."""
    items = cloudwatch.describe_alarm_history(
        AlarmName=alarm, HistoryItemType="StateUpdate", ScanBy="TimestampDescending", MaxRecords=20
    )["AlarmHistoryItems"]
    states = [json.loads(item["HistoryData"])["newState"] for item in items]
    reasons = (state["stateReason"] for state in states if state["stateValue"] == "ALARM")
    return str(next(reasons, "its history does not say why"))


def _tasks(client: "ECSClient", cluster: str, status: Any, **selection: Any) -> list[Any]:
    pages = client.get_paginator("list_tasks").paginate(
        cluster=cluster, desiredStatus=status, **selection
    )
    return [
        task
        for page in pages  # of at most 100, as many as one description has
        if page["taskArns"]
        for task in client.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]
    ]


def _log_tail(logs: "CloudWatchLogsClient", group: str, task: Any) -> list[str]:
    """The last lines of a task, by the names that awslogs gives its streams: a list of them has 50, sorted by name."""
    task_id, events = task["taskArn"].rpartition("/")[2], []
    for container in task["containers"]:
        name = container["name"]
        stream = f"{'migrate' if name == 'migrate' else 'app'}/{name}/{task_id}"
        try:
            events += logs.get_log_events(
                logGroupName=group, logStreamName=stream, limit=LOG_LINES, startFromHead=False
            )["events"]
        except logs.exceptions.ResourceNotFoundException:  # it has not written anything
            continue
        except (ClientError, BotoCoreError) as error:
            return [f"its log could not be read: {error}"]
    events.sort(key=lambda event: int(event["timestamp"]))
    return [event["message"].rstrip() for event in events][-LOG_LINES:]


def _digest(task: Any, container: str) -> str:
    record: dict[str, Any] = next(
        (item for item in task["containers"] if item["name"] == container), {}
    )
    return str(record.get("imageDigest") or record.get("image", "").partition("@")[2])
