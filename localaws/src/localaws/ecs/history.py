"""Service events and service deployments, as DescribeServices and DescribeServiceDeployments return them."""

from typing import Any

from localaws import emulator
from localaws.emulator import ecs

_TERMINAL = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
#: What ListServiceDeployments returns of a deployment as DescribeServiceDeployments does.
_BRIEF = (
    "serviceDeploymentArn", "serviceArn", "clusterArn", "createdAt", "startedAt", "finishedAt",
    "status", "statusReason",
)  # fmt: skip
KEPT = 50
MAX_EVENTS = 100


def event(svc: dict[str, Any], text: str) -> None:
    """Adds a service event, newest first."""
    message = f"(service {svc['serviceName']}) {text}"
    svc["events"].insert(0, {"id": ecs.new_uuid(), "createdAt": ecs._iso(), "message": message})
    del svc["events"][MAX_EVENTS:]


def short_id(task: dict[str, Any]) -> str:
    """A task's id without the rest of its ARN."""
    return str(task["taskArn"]).rsplit("/", 1)[-1]


def note(svc: dict[str, Any]) -> None:
    """Takes the state of the service's deployments into its history; call it before one leaves the list."""
    records: dict[str, dict[str, Any]] = svc.setdefault("_service_deployments", {})
    deployments = svc.get("deployments", [])
    primary = next((record for record in deployments if record.get("status") == "PRIMARY"), None)
    for deployment in deployments:
        record = records.get(deployment["id"])
        if record is None:
            record = records[deployment["id"]] = _new(svc, deployment)
        record["alarms"] = _alarms(svc, deployment)
        if record["status"] in _TERMINAL:
            continue
        record["status"], record["statusReason"] = _status(deployment, primary)
        record["updatedAt"] = ecs._iso()
        if record["status"] in _TERMINAL:
            record["finishedAt"] = ecs._iso()
    for old in list(records)[:-KEPT]:
        del records[old]


def install() -> None:
    """Lets ministack answer from the history."""

    def listed(data: dict[str, Any]) -> Any:
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        name = str(data.get("service", "")).rsplit("/", 1)[-1]
        svc = ecs._services.get(f"{cluster}/{name}")
        if svc is None:
            return ecs.error_response_json("ServiceNotFoundException", "Service not found.", 400)
        wanted = data.get("status") or []
        after = ecs._ts_to_epoch((data.get("createdAt") or {}).get("after") or 0)
        briefs = [
            {key: record[key] for key in _BRIEF if key in record}
            | {"targetServiceRevisionArn": record["targetServiceRevision"]["arn"]}
            for record in reversed(_records(svc))
            if (not wanted or record["status"] in wanted)
            and ecs._ts_to_epoch(record["createdAt"]) >= int(after)
        ]
        return ecs.json_response({"serviceDeployments": briefs})

    def described(data: dict[str, Any]) -> Any:
        arns = data.get("serviceDeploymentArns", [])
        records = {
            record["serviceDeploymentArn"]: record
            for svc in ecs._services.values()
            for record in _records(svc)
        }
        missing = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in records]
        existing = [records[arn] for arn in arns if arn in records]
        return ecs.json_response({"serviceDeployments": existing, "failures": missing})

    emulator.replace(ecs, "_list_service_deployments", listed)
    emulator.replace(ecs, "_describe_service_deployments", described)


def _new(svc: dict[str, Any], deployment: dict[str, Any]) -> dict[str, Any]:
    short = deployment["id"].rsplit("/", 1)[-1]
    prefix, _, path = str(svc["serviceArn"]).partition(":service/")
    return {
        "serviceDeploymentArn": f"{prefix}:service-deployment/{path}/{short}",
        "serviceArn": svc["serviceArn"],
        "clusterArn": svc["clusterArn"],
        "createdAt": deployment["createdAt"],
        "startedAt": deployment["createdAt"],
        "updatedAt": ecs._iso(),
        "targetServiceRevision": {"arn": f"{prefix}:service-revision/{path}/{short}"},
        "status": "PENDING",
        "statusReason": "",
        "deploymentConfiguration": svc.get("deploymentConfiguration", {}),
    }


def _alarms(svc: dict[str, Any], deployment: dict[str, Any]) -> dict[str, Any]:
    alarms = (svc.get("deploymentConfiguration") or {}).get("alarms") or {}
    names = {"alarmNames": alarms.get("alarmNames", [])}
    return {"status": "DISABLED", **names, **deployment.get("_alarms", {})}


def _status(deployment: dict[str, Any], primary: dict[str, Any] | None) -> tuple[str, str]:
    reason = str(deployment.get("rolloutStateReason", ""))
    state = deployment.get("rolloutState")
    if state == "COMPLETED":
        return "SUCCESSFUL", reason
    if state == "FAILED":
        if deployment is primary or primary is None:
            return "ROLLBACK_FAILED", reason
        done = primary["rolloutState"] == "COMPLETED"
        return ("ROLLBACK_SUCCESSFUL" if done else "ROLLBACK_IN_PROGRESS"), reason
    if deployment is not primary:
        return "STOPPED", "Superseded by a newer deployment."
    return "IN_PROGRESS", reason


def _records(svc: dict[str, Any]) -> list[dict[str, Any]]:
    return list(svc.get("_service_deployments", {}).values())
