"""Rotation schedules of secrets that RDS manages, and CancelRotateSecret; no password changes here.
ministack lacks the latter, and makes a new version of a secret even where only the schedule is set.
"""

from typing import Any

from localaws import emulator
from localaws.emulator import secretsmanager


def install() -> None:
    emulator.wrap(secretsmanager, "_rotate_secret", _rotate)
    emulator.add_actions(secretsmanager, {"CancelRotateSecret": _cancel})


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


def _cancel(data: dict[str, Any]) -> Any:
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if secret is None:
        return secretsmanager.error_response_json(
            "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400
        )
    secret["RotationEnabled"] = False
    return secretsmanager.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})
