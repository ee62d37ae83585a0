"""Policies of requests whose resource or condition keys the emulator does not know, when identities are checked.

Where it cannot tell the resource, the action and the conditions alone decide; tests/infra/terraform/test_permissions.py
compares the resources with what IAM knows of each action.
"""

from contextvars import ContextVar
from typing import Any

from localaws import emulator

#: What the emulator says of a request whose resource it cannot tell.
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
    evaluator = emulator.core("iam_evaluator")
    emulator.wrap(emulator.core("iam_actions"), "extract_iam_action", _named)
    emulator.wrap(emulator.core("iam_actions"), "extract_resource_arn", _remember)
    emulator.wrap(evaluator, "_resource_matches", _matches)
    emulator.wrap(evaluator, "_resolve_condition_key", _key)


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
    found = original(key, context)
    if found is not None:
        return found
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
    found = emulator.service("iam")._roles.get(role) or {}
    boundary = found.get("PermissionsBoundary")
    return boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary
