"""Deployment alarms: a deployment whose alarm goes off while it runs or bakes fails, and is rolled back.
Follows https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
"""

import time
from typing import Any

from localaws import emulator
from localaws.cloudwatch import evaluation
from localaws.ecs import history
from localaws.emulator import cloudwatch, ecs

#: Seconds between two looks at the alarms.
POLL = 1.0
#: Beside the alarms' periods, seconds until the last of them is published and evaluated.
LATENCY = 5.0
OTHER_CONTROLLER = (
    "Alarm based rollback feature is only supported with ECS deployment controller. "
    "Update to ECS deployment controller and try again."
)
_watched: set[str] = set()


def refusal(data: dict[str, Any], svc: dict[str, Any] | None) -> str:
    """Why ECS refuses the request's alarms; empty when it does not."""
    asked = (data.get("deploymentConfiguration") or {}).get("alarms") or {}
    kind = (data.get("deploymentController") or (svc or {}).get("deploymentController") or {}).get(
        "type"
    )
    return OTHER_CONTROLLER if asked.get("enable") and kind not in (None, "ECS") else ""


def names(svc: dict[str, Any]) -> list[str]:
    """The alarms that the service's deployments are watched by."""
    alarms = (svc.get("deploymentConfiguration") or {}).get("alarms") or {}
    return list(alarms.get("alarmNames") or []) if alarms.get("enable") else []


def begin(key: str, svc: dict[str, Any]) -> None:
    """Watches the deployment that an update has begun; not where an alarm is in ALARM already (as ECS does)."""
    deployment = ecs._primary_deployment(svc)
    if not deployment or deployment["rolloutState"] != "IN_PROGRESS" or "_alarms" in deployment:
        return
    watching = bool(names(svc)) and not _in_alarm(svc)
    deployment["_alarms"] = {"status": "MONITORING" if watching else "DISABLED"}
    _watch_once(key, svc, deployment)


def bakes(key: str, svc: dict[str, Any]) -> bool:
    """Whether the deployment cannot be complete yet; once all its tasks are healthy the old ones are drained."""
    deployment = ecs._primary_deployment(svc)
    if not deployment or deployment["rolloutState"] != "IN_PROGRESS":
        return False
    if (deployment.get("_alarms") or {}).get("status") != "MONITORING":
        return False
    if deployment["runningCount"] >= svc["desiredCount"] and "_bake_ends" not in deployment:
        deployment["_bake_ends"] = time.time() + _bake_seconds(svc)
        for arn, task in list(ecs._tasks.items()):
            old = task.get("_deployment_id") != deployment["id"]
            mine = task.get("group") == f"service:{svc['serviceName']}"
            if old and mine and task.get("clusterArn") == svc["clusterArn"]:
                cluster = key.partition("/")[0]
                ecs._stop_task({"task": arn, "cluster": cluster, "reason": "Deployment completed"})
    _watch_once(key, svc, deployment)  # after a restart nobody does
    return True


def _bake_seconds(svc: dict[str, Any]) -> float:
    """As long as the slowest alarm needs for whole periods of the new tasks alone; ECS does not publish its formula."""
    alarms = [alarm for alarm in map(cloudwatch._alarms.get, names(svc)) if alarm]
    spans = (evaluation.period(each) * (int(each["EvaluationPeriods"]) + 1) for each in alarms)
    return max(spans, default=0) + LATENCY


def _in_alarm(svc: dict[str, Any]) -> list[str]:
    states = {name: cloudwatch._alarms.get(name) or {} for name in names(svc)}
    return [name for name, alarm in states.items() if alarm.get("StateValue") == "ALARM"]


def _watch_once(key: str, svc: dict[str, Any], deployment: dict[str, Any]) -> None:
    if deployment["_alarms"]["status"] == "MONITORING" and deployment["id"] not in _watched:
        _watched.add(deployment["id"])
        emulator.in_background("alarms", _watch, key, svc, deployment)


def _watch(key: str, svc: dict[str, Any], deployment: dict[str, Any]) -> None:
    cluster = key.partition("/")[0]
    while deployment is ecs._primary_deployment(svc) and svc["status"] == "ACTIVE":
        if deployment["rolloutState"] != "IN_PROGRESS":
            return
        if deployment["runningCount"] and (triggered := _in_alarm(svc)):
            _fail(key, svc, deployment, triggered)
            ecs._reconcile_service_tasks(cluster, key)
            place = ecs.get_account_id(), ecs.get_region()
            ecs._schedule_service_deployment_completion(cluster, key, *place)
            return
        if time.time() >= deployment.get("_bake_ends", float("inf")):
            deployment["_alarms"]["status"] = "MONITORING_COMPLETE"
            ecs._complete_service_deployment(cluster, key)
            return
        emulator.ending.wait(POLL)


def _fail(key: str, svc: dict[str, Any], deployment: dict[str, Any], triggered: list[str]) -> None:
    with ecs.resource_lock("ecs-service", key):
        reason = f"ECS deployment {deployment['id']} failed: alarm detected."
        deployment.update(rolloutState="FAILED", rolloutStateReason=reason, desiredCount=0)
        deployment["_alarms"] = {"status": "TRIGGERED", "triggeredAlarmNames": triggered}
        history.event(svc, f"(deployment {deployment['id']}) deployment failed: alarm detected.")
        others = (each for each in svc["deployments"] if each["rolloutState"] == "COMPLETED")
        earlier = next(others, None)
        if svc["deploymentConfiguration"]["alarms"].get("rollback") and earlier:
            deployment["status"] = "ACTIVE"
            earlier.update(
                status="PRIMARY",
                desiredCount=svc["desiredCount"],
                rolloutState="IN_PROGRESS",
                rolloutStateReason="ECS deployment rollback in progress.",
                updatedAt=ecs._iso(),
                _alarms={"status": "DISABLED"},  # in ALARM when it begins
            )
            svc["taskDefinition"] = earlier["taskDefinition"]
            history.event(svc, f"rolling back to deployment {earlier['id']}.")
        history.note(svc)
