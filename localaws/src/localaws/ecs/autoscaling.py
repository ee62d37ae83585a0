"""Application Auto Scaling of ECS services, which ministack lacks; kept and shown, but no metric is measured here.
Follows https://docs.aws.amazon.com/autoscaling/application/APIReference/
"""

import json
import time
from typing import Any

from localaws.emulator import ecs, iam_actions, responses
from localaws.iam.resources import arn

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
    """Scalable targets by resource id, policies by resource id and name; ministack takes it for a service's module."""

    def __init__(self) -> None:
        self.records = responses.AccountRegionScopedDict()
        self.actions = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._described,
            "DeregisterScalableTarget": self._remove,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._described,
            "DeleteScalingPolicy": self._remove,
            "ListTagsForResource": self._tagged,
            "TagResource": self._tagged,
            "UntagResource": self._tagged,
        }

    def get_state(self) -> dict[str, Any]:
        return {"records": self.records}

    def load_persisted_state(self, state: dict[str, Any]) -> None:
        self.records.update(state["records"])

    async def handle_request(self, *request: Any) -> Any:
        """Any request: its method, path, headers, body and query parameters."""
        _, _, headers, body, _ = request
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if action not in self.actions:
                raise RefusedError("UnknownOperationException", f"{action} is not emulated.")
            answer = self.actions[action](json.loads(body))
        except RefusedError as error:
            return responses.error_response_json(*error.args, content_type=_JSON)
        return responses.json_response(answer, content_type=_JSON)

    def _register(self, data: dict[str, Any]) -> dict[str, Any]:
        resource = data["ResourceId"]
        service = ecs._services.get(resource.removeprefix("service/")) or {}
        if service.get("status") != "ACTIVE":
            raise RefusedError("ValidationException", f"ECS service doesn't exist: {resource}")
        target = arn(_SERVICE, f"scalable-target/{responses.new_uuid()}")
        return self._put(data, ScalableTargetARN=target, Tags={})

    def _put_policy(self, data: dict[str, Any]) -> dict[str, Any]:
        self._require(data["ResourceId"])
        name = f"resource/ecs/{data['ResourceId']}:policyName/{data['PolicyName']}"
        policy = arn("autoscaling", f"scalingPolicy:{responses.new_uuid()}:{name}")
        return self._put(data, PolicyARN=policy, Alarms=[])

    def _put(self, data: dict[str, Any], **new: Any) -> dict[str, Any]:
        key = _key(data)
        self.records[key] = self.records.get(key, new | {"CreationTime": time.time()}) | data
        return dict(self.records[key])

    def _remove(self, data: dict[str, Any]) -> dict[str, Any]:
        """Removes a policy, or a target with its policies."""
        self._require(_key(data))
        for key in self.records:
            if key == _key(data) or key.startswith(f"{_key(data)} "):
                del self.records[key]
        return {}

    def _described(self, data: dict[str, Any]) -> dict[str, Any]:
        resources = data.get("ResourceIds") or filter(None, [data.get("ResourceId")])
        wanted = {"ResourceId": [*resources], "PolicyName": data.get("PolicyNames")}
        matching = [
            record
            for record in self.records.values()
            if all(not values or record.get(name) in values for name, values in wanted.items())
        ]
        return {
            "ScalableTargets": [record for record in matching if "PolicyName" not in record],
            "ScalingPolicies": [record for record in matching if "PolicyName" in record],
        }

    def _tagged(self, data: dict[str, Any]) -> dict[str, Any]:
        target = data["ResourceARN"]
        for record in self.records.values():
            if record.get("ScalableTargetARN") == target:
                record["Tags"] |= data.get("Tags", {})
                for key in data.get("TagKeys", ()):
                    record["Tags"].pop(key, None)
                return {"Tags": record["Tags"]}
        raise RefusedError("ResourceNotFoundException", f"There is no {target}")

    def _require(self, key: str) -> None:
        if key not in self.records:
            raise RefusedError("ObjectNotFoundException", f"Nothing is registered for {key}")


def _key(data: dict[str, Any]) -> str:
    return " ".join(filter(None, (data["ResourceId"], data.get("PolicyName"))))
