"""Rotation schedules of secrets that RDS manages, and CancelRotateSecret; no password changes here.
ministack lacks the latter, and makes a new version of a secret even where only the schedule is set.
"""

import json
from typing import Any

from localaws import emulator
from localaws.emulator import secretsmanager

_CANCEL = "CancelRotateSecret"


def install() -> None:
    """Extends ministack's Secrets Manager."""
    emulator.wrap(secretsmanager, "_rotate_secret", _rotate)
    emulator.wrap(secretsmanager, "handle_request", _handle)


def _rotate(original: Any, data: Any) -> Any:
    """RotateSecret; without ``RotateImmediately`` only the schedule is kept."""
    if data.get("RotateImmediately", True):
        return original(data)
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if secret is None or secret.get("DeletedDate"):
        return original(data)
    secret["RotationRules"] = data.get("RotationRules") or secret.get("RotationRules")
    secret["RotationEnabled"] = True
    return secretsmanager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})


async def _handle(original: Any, *request: Any) -> Any:
    """Any request: its method, path, headers, body and query parameters."""
    _, _, headers, body, _ = request
    if headers.get("x-amz-target", "").rpartition(".")[2] != _CANCEL:
        return await original(*request)
    _, secret = secretsmanager._resolve(json.loads(body).get("SecretId"))
    if secret is None:
        return secretsmanager.error_response_json(
            "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400
        )
    secret["RotationEnabled"] = False
    return secretsmanager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})
