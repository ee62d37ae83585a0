"""Application Auto Scaling of ECS services, which ministack lacks; kept and shown, but no metric is measured here.
Follows https://docs.aws.amazon.com/autoscaling/application/APIReference/
"""

import json
import time
from typing import Any

from localaws.emulator import ecs, iam_actions, responses

_SERVICE = "application-autoscaling"
#: The key of the state, and the name under which ministack looks for the service's module.
_MODULE = "application_autoscaling"
_JSON = "application/x-amz-json-1.1"


def install(app: Any) -> None:
    """Adds the service to ministack: its handler, its state and its IAM actions."""
    scaling = Scaling()
    app.SERVICE_HANDLERS[_SERVICE] = scaling.handle_request
    app._state_map[_MODULE] = _MODULE
    app._loaded_modules[_MODULE] = scaling
    iam_actions.SERVICE_TO_IAM_NAMESPACE[_SERVICE] = _SERVICE


class RefusedError(Exception):
    """The code and the message that the API answers."""


class Scaling:
    """Scalable targets by resource id, policies by resource id and name, tags by ARN; in the form of a service module
    of ministack."""

    def __init__(self) -> None:
        self.targets = responses.AccountRegionScopedDict()
        self.policies = responses.AccountRegionScopedDict()
        self.tags = responses.AccountRegionScopedDict()

    def get_state(self) -> dict[str, Any]:
        """All records, for a snapshot."""
        return dict(vars(self))

    def load_persisted_state(self, state: dict[str, Any]) -> None:
        """Takes over a snapshot."""
        for name, records in state.items():
            getattr(self, name).update(records)

    async def handle_request(self, *request: Any) -> Any:
        """Any request: its method, path, headers, body and query parameters."""
        _, _, headers, body, _ = request
        actions = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": lambda data: _listed("ScalableTargets", self.targets, data),
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": lambda data: _listed("ScalingPolicies", self.policies, data),
            "DeleteScalingPolicy": self._delete_policy,
            "ListTagsForResource": lambda data: {"Tags": self._tags_of(data)},
            "TagResource": lambda data: self._tags_of(data).update(data["Tags"]),
            "UntagResource": self._untag,
        }
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if action not in actions:
                raise RefusedError("UnknownOperationException", f"{action} is not emulated.")
            answer = actions[action](json.loads(body or b"{}"))
        except RefusedError as error:
            return responses.error_response_json(*error.args, content_type=_JSON)
        return responses.json_response(answer or {}, content_type=_JSON)

    def _register(self, data: dict[str, Any]) -> dict[str, str]:
        resource = data["ResourceId"]
        service = ecs._services.get(resource.removeprefix("service/")) or {}
        if service.get("status") != "ACTIVE":
            raise RefusedError("ValidationException", f"ECS service doesn't exist: {resource}")
        arn = _arn(_SERVICE, f"scalable-target/{responses.new_uuid().replace('-', '')[:26]}")
        suspended = ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")
        fresh = {
            "ScalableTargetARN": arn,
            "RoleARN": f"arn:aws:iam::{responses.get_account_id()}:role/aws-service-role/ecs.application-autoscaling."
            "amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService",
            "SuspendedState": {f"{kind}Suspended": False for kind in suspended},
            "CreationTime": time.time(),
        }
        tags = data.pop("Tags", {})
        record = self.targets[resource] = self.targets.get(resource, fresh) | data
        self.tags.setdefault(record["ScalableTargetARN"], {}).update(tags)
        return {"ScalableTargetARN": record["ScalableTargetARN"]}

    def _deregister(self, data: dict[str, Any]) -> None:
        """Removes the target with its policies."""
        target = self._target(data)
        del self.targets[data["ResourceId"]]
        self.tags.pop(target["ScalableTargetARN"], None)
        for policy in _matching(self.policies, data):
            self._delete_policy(policy)

    def _put_policy(self, data: dict[str, Any]) -> dict[str, Any]:
        self._target(data)
        key = _policy_key(data)
        resource = (
            f"{data['ServiceNamespace']}/{data['ResourceId']}:policyName/{data['PolicyName']}"
        )
        arn = _arn("autoscaling", f"scalingPolicy:{responses.new_uuid()}:resource/{resource}")
        fresh = {"PolicyARN": arn, "Alarms": [], "CreationTime": time.time()}
        record = self.policies[key] = self.policies.get(key, fresh) | data
        return {"PolicyARN": record["PolicyARN"], "Alarms": []}

    def _delete_policy(self, data: dict[str, Any]) -> None:
        if self.policies.pop(_policy_key(data), None) is None:
            raise _missing(f"No scaling policy found for {_policy_key(data)}")

    def _untag(self, data: dict[str, Any]) -> None:
        for key in data["TagKeys"]:
            self._tags_of(data).pop(key, None)

    def _target(self, data: dict[str, Any]) -> dict[str, Any]:
        """The registered target that a request is about."""
        if not (targets := _matching(self.targets, data)):
            raise _missing(f"No scalable target registered for {data['ResourceId']}")
        return targets[0]

    def _tags_of(self, data: dict[str, Any]) -> dict[str, str]:
        tags: dict[str, str] | None = self.tags.get(data["ResourceARN"])
        if tags is None:
            message = f"{data['ResourceARN']} is not registered"
            raise RefusedError("ResourceNotFoundException", message)
        return tags


def _listed(name: str, records: Any, data: dict[str, Any]) -> dict[str, Any]:
    return {name: _matching(records, data)}


def _matching(records: Any, data: dict[str, Any]) -> list[dict[str, Any]]:
    """The records that a request names by its parameters, or all of the namespace."""
    resources = data.get("ResourceIds") or [data.get("ResourceId")]
    wanted = {
        "ServiceNamespace": [data["ServiceNamespace"]],
        "ResourceId": resources,
        "ScalableDimension": [data.get("ScalableDimension")],
        "PolicyName": data.get("PolicyNames", [None]),
    }
    return [
        record
        for record in records.values()
        if all(values == [None] or record[name] in values for name, values in wanted.items())
    ]


def _policy_key(data: dict[str, Any]) -> str:
    return f"{data['ResourceId']} {data['PolicyName']}"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{responses.get_region()}:{responses.get_account_id()}:{resource}"


def _missing(message: str) -> RefusedError:
    return RefusedError("ObjectNotFoundException", message)
