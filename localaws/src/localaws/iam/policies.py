"""IAM's action names, permissions boundaries and unknown resources in ministack's evaluation of policies.
Where a resource is unknown, action and conditions decide; the pipeline's test_permissions.py compares resources.
"""

from contextvars import ContextVar
from typing import Any

from localaws import emulator
from localaws.emulator import iam, iam_actions, iam_evaluator

#: The emulator's resource of a request that it cannot attribute.
_UNKNOWN = "*"
#: IAM's names of actions that are not called as their operations are (Service Authorization Reference, AWS Budgets).
_NAMES = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "budgets:UpdateBudget": "budgets:ModifyBudget",
    "budgets:CreateNotification": "budgets:ModifyBudget",
    "budgets:CreateSubscriber": "budgets:ModifyBudget",
    "budgets:DeleteNotification": "budgets:ModifyBudget",
    "budgets:UpdateNotification": "budgets:ModifyBudget",
}
#: Requests that give a role something; IAM asks for the boundary that the role has.
_ROLE_NAME, _BOUNDARY, _SERVICE = "RoleName", "PermissionsBoundary", "AWSServiceName"

_parameters: ContextVar[dict[str, Any]] = ContextVar("localaws_parameters")


def install() -> None:
    """Extends ministack's evaluation of policies."""
    emulator.wrap(iam_actions, "extract_iam_action", _named)
    emulator.wrap(iam_actions, "extract_resource_arn", _remember)
    emulator.wrap(iam_evaluator, "_resource_matches", _matches)
    emulator.wrap(iam_evaluator, "_resolve_condition_key", _key)


def _named(original: Any, *arguments: Any, **named: Any) -> Any:
    action = original(*arguments, **named)
    return _NAMES.get(action, action)


def _remember(original: Any, service: str, *arguments: Any, **named: Any) -> Any:
    _method, _path, _headers, _body, query = arguments[:5]
    _parameters.set(query if isinstance(query, dict) else {})
    return original(service, *arguments, **named)


def _matches(original: Any, resource: str, resources: list[str], others: list[str]) -> Any:
    return resource == _UNKNOWN or original(resource, resources, others)


def _key(original: Any, key: str, context: Any) -> Any:
    value = original(key, context)
    if value is not None:
        return value
    match key.lower():
        case "iam:permissionsboundary":
            return _parameter(_BOUNDARY) or _boundary_of(_parameter(_ROLE_NAME))
        case "iam:awsservicename":
            return _parameter(_SERVICE) or None
    return None


def _parameter(name: str) -> str:
    value = _parameters.get({}).get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _boundary_of(role: str) -> str | None:
    record = iam._roles.get(role) or {}
    boundary = record.get("PermissionsBoundary")
    return boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary
