"""Rotation of secrets that RDS manages: a schedule can be set and cancelled, and none of it changes a password here.

ministack does not know CancelRotateSecret, and makes a new version of a secret even where only the schedule is set.
"""

import json
from typing import Any

from localaws import emulator

_CANCEL = "CancelRotateSecret"


def install() -> None:
    """Extends ministack's Secrets Manager."""
    manager = emulator.service("secretsmanager")
    emulator.wrap(manager, "_rotate_secret", _rotate)
    emulator.wrap(manager, "handle_request", _handle)


def _rotate(original: Any, data: Any) -> Any:
    """RotateSecret; without ``RotateImmediately`` only the schedule is kept."""
    if data.get("RotateImmediately", True):
        return original(data)
    manager = emulator.service("secretsmanager")
    _, secret = manager._resolve(data.get("SecretId"))
    if secret is None or secret.get("DeletedDate"):
        return original(data)
    secret["RotationRules"] = data.get("RotationRules") or secret.get("RotationRules")
    secret["RotationEnabled"] = True
    return manager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})


async def _handle(original: Any, *request: Any) -> Any:
    """Any request: its method, path, headers, body and query parameters."""
    _, _, headers, body, _ = request
    if headers.get("x-amz-target", "").rpartition(".")[2] != _CANCEL:
        return await original(*request)
    manager = emulator.service("secretsmanager")
    _, secret = manager._resolve(json.loads(body).get("SecretId"))
    if secret is None:
        return manager.error_response_json(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
            400,
        )
    secret["RotationEnabled"] = False
    return manager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})
