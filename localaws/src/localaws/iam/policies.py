"""IAM's action names, resources, dependent actions and permissions boundaries in ministack's evaluation of policies."""

import re
from contextvars import ContextVar
from typing import Any

from localaws import emulator
from localaws.emulator import cognito, iam, iam_actions, iam_evaluator, sts
from localaws.iam import dependent, resources
from localaws.iam.resources import Request

#: AWS Budgets' operations whose IAM actions have other names (Service Authorization Reference).
_BUDGETS = re.compile(r"budgets:(Create|Delete|Describe|Update)(?!\w*Action)\w+")
_CLOUDWATCH = re.compile(r".*/operation/(\w+)")
_GITHUB = "token.actions.githubusercontent.com"
#: Service Authorization Reference, condition keys of AWS STS: GitHub's, beside aud and sub.
_GITHUB_CLAIMS = (
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "repository_owner_id",
    "workflow",
)
_request: ContextVar[Request] = ContextVar("localaws_request")
#: The action and the resource that were denied last, which may be others than the request's own.
_denied: ContextVar[tuple[str, str] | None] = ContextVar("localaws_denied", default=None)


def install() -> None:
    emulator.wrap(iam_actions, "extract_iam_action", _named)
    emulator.wrap(iam_actions, "extract_resource_arn", _remember)
    emulator.wrap(iam_actions, "access_denied_response", _explain)
    emulator.wrap(iam_evaluator, "enforce", _enforce)
    emulator.wrap(sts, "_web_identity_principal", _web_identity)
    emulator.wrap(iam_evaluator, "_resolve_condition_key", _key)


def _named(original: Any, service: str, method: str, path: str, *arguments: Any) -> Any:
    operation = _CLOUDWATCH.fullmatch(path) if service == "monitoring" else None
    if operation:
        return f"cloudwatch:{operation[1]}"
    action = original(service, method, path, *arguments)
    match = _BUDGETS.fullmatch(str(action))
    if match is None:
        return action
    return "budgets:ViewBudget" if match[1] == "Describe" else "budgets:ModifyBudget"


def _remember(original: Any, service: str, *arguments: Any) -> Any:
    _method, path, headers, body, query = arguments[:5]
    resource = original(service, *arguments)
    _denied.set(None)
    _request.set(resources.read(path, headers, body, query, resource))
    return resource


def _enforce(
    original: Any,
    key: str,
    action: str,
    *where: str,
    resource_arn: str = "*",
    service_context: Any = None,
) -> Any:
    """The first denial of the request's own action on each of its resources, and of what else it needs."""
    given: dict[str, Any] = service_context or {}
    request = _request.get(None)
    if request is None or request.resource != resource_arn:
        return original(key, action, *where, resource_arn, given)
    checks = [
        (action, resource, given | resources.tags(resource))
        for resource in resources.named(action, request)
    ]
    made, new_tags = resources.made(action), resources.new_tags(request)
    if made:
        # Only what is made has the request's tags.
        checks.append((action, made, given | new_tags))
        if new_tags:
            creation = {"ec2:CreateAction": action.partition(":")[2]}
            checks.append(("ec2:CreateTags", made, given | new_tags | creation))
    checks += [
        (needed, resource, keys | resources.tags(resource))
        for needed, resource, keys in dependent.checks(action, request)
    ]
    for needed, resource, context in checks:
        denial = original(key, needed, *where, resource, context)
        if denial:
            _denied.set((needed, resource))
            return denial
    return None


def _explain(
    original: Any, service: str, action: str, principal: str, request_id: str, **given: Any
) -> Any:
    """A denial that names the action and the resource that were denied, as AWS does."""
    action, resource = _denied.get() or (action, given.get("resource_arn", "*"))
    if not given.get("error_code") and not given.get("resource_policy_arn"):
        explicit = bool(given.get("explicit_deny"))
        message = iam_actions.identity_denial_message(action, principal, resource, explicit)
        given = {"message": message} | given | {"resource_arn": resource}
    return original(service, action, principal, request_id, **given)


def _key(original: Any, key: str, context: Any) -> Any:
    value = original(key, context)
    if value is not None:
        return value
    match key.lower():
        case "iam:permissionsboundary":
            return _parameter("PermissionsBoundary") or _boundary_of(_parameter("RoleName"))
        case "iam:awsservicename":
            return _parameter("AWSServiceName") or None
        case "iam:policyarn":
            return _parameter("PolicyArn") or None
    return None


def _web_identity(original: Any, token: str, *arguments: Any) -> tuple[str, dict[str, Any]]:
    """The claims of GitHub's tokens that STS passes to a role's trust; a condition on another one never holds."""
    principal, keys = original(token, *arguments)
    claims = cognito._decode_id_token_unverified(token)
    if str(claims.get("iss", "")).endswith(_GITHUB):
        keys |= {f"{_GITHUB}:{name}": claims[name] for name in _GITHUB_CLAIMS if name in claims}
    return principal, keys


def _parameter(name: str) -> str:
    request = _request.get(None)
    return request.value(name) if request else ""


def _boundary_of(role: str) -> str | None:
    record = iam._roles.get(role) or {}
    boundary = record.get("PermissionsBoundary")
    return boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary
