"""IAM's action names, permissions boundaries and unknown resources in ministack's evaluation of policies.
Where a resource is unknown, action and conditions decide; the pipeline's test_permissions.py compares resources.
"""

import re
from contextvars import ContextVar
from typing import Any

from localaws import emulator
from localaws.emulator import cognito, iam, iam_actions, iam_evaluator, sts

#: The emulator's resource of a request that it cannot attribute.
_UNKNOWN = "*"
#: AWS Budgets' operations whose IAM actions have other names (Service Authorization Reference).
_BUDGETS = re.compile(r"budgets:(Create|Delete|Describe|Update)(?!\w*Action)\w+")
_GITHUB = "token.actions.githubusercontent.com"
#: IAM user guide, condition keys of AWS STS: GitHub's.
_GITHUB_CLAIMS = (
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "workflow",
)
_parameters: ContextVar[dict[str, Any]] = ContextVar("localaws_parameters")


def install() -> None:
    """Extends ministack's evaluation of policies."""
    emulator.wrap(iam_actions, "extract_iam_action", _named)
    emulator.wrap(iam_actions, "extract_resource_arn", _remember)
    emulator.wrap(iam_evaluator, "_resource_matches", _matches)
    emulator.wrap(sts, "_web_identity_principal", _web_identity)
    emulator.wrap(iam_evaluator, "_resolve_condition_key", _key)


def _named(original: Any, *arguments: Any, **named: Any) -> Any:
    action = original(*arguments, **named)
    match = _BUDGETS.fullmatch(str(action))
    if match is None:
        return action
    return "budgets:ViewBudget" if match[1] == "Describe" else "budgets:ModifyBudget"


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
            return _parameter("PermissionsBoundary") or _boundary_of(_parameter("RoleName"))
        case "iam:awsservicename":
            return _parameter("AWSServiceName") or None
    return None


def _web_identity(original: Any, token: str, *arguments: Any) -> tuple[str, dict[str, Any]]:
    """The claims of GitHub's tokens that STS passes to a role's trust; a condition on another one never holds."""
    principal, keys = original(token, *arguments)
    claims = cognito._decode_id_token_unverified(token)
    if str(claims.get("iss", "")).endswith(_GITHUB):
        keys |= {f"{_GITHUB}:{name}": claims[name] for name in _GITHUB_CLAIMS if name in claims}
    return principal, keys


def _parameter(name: str) -> str:
    value = _parameters.get({}).get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _boundary_of(role: str) -> str | None:
    record = iam._roles.get(role) or {}
    boundary = record.get("PermissionsBoundary")
    return boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary
