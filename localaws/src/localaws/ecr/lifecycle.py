"""Previews of lifecycle policies, which ministack lacks: what ECR would expire, by its rules' documented order."""

import json
import time
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from localaws import emulator
from localaws.emulator import ecr

_DAY = 24 * 3600

Image = dict[str, Any]
#: What GetLifecyclePolicyPreview returns, by repository.
_previews: dict[str, dict[str, Any]] = {}


def install() -> None:
    actions = {"StartLifecyclePolicyPreview": _start, "GetLifecyclePolicyPreview": _get}
    emulator.add_actions(ecr, actions)


def expiring(policy: str, images: Iterable[Image], now: float) -> Iterator[tuple[Image, int]]:
    """Each image that a policy expires at a time (in seconds), with the priority of the rule that does.

    An image that a rule's tags match is not expired by any rule of a lower priority, but counted by it.
    """
    newest = sorted(images, key=lambda image: image["imagePushedAt"], reverse=True)
    decided: list[Image] = []
    for rule in sorted(json.loads(policy)["rules"], key=lambda rule: rule["rulePriority"]):
        selection = rule["selection"]
        matching = [image for image in newest if _matches(selection, image.get("imageTags", []))]
        if selection["countType"] == "imageCountMoreThan":
            old = matching[selection["countNumber"] :]
        else:
            limit = now - selection["countNumber"] * _DAY
            old = [image for image in matching if image["imagePushedAt"] < limit]
        yield from ((image, rule["rulePriority"]) for image in old if image not in decided)
        decided += matching


def _matches(selection: dict[str, Any], tags: list[str]) -> bool:
    """Whether tags are what a rule selects; of several patterns each must match one of them."""
    match selection["tagStatus"]:
        case "any":
            return True
        case "untagged":
            return not tags
    prefixes = [f"{prefix}*" for prefix in selection.get("tagPrefixList", [])]
    patterns = selection.get("tagPatternList", prefixes)
    return all(any(fnmatchcase(tag, pattern) for tag in tags) for pattern in patterns)


def _get(data: dict[str, Any]) -> Any:
    name = data["repositoryName"]
    if name in _previews:
        return ecr.json_response(_previews[name])
    message = f"There is no lifecycle policy preview for the repository with name '{name}'"
    return ecr.error_response_json("LifecyclePolicyPreviewNotFoundException", message, 400)


def _start(data: dict[str, Any]) -> Any:
    name = data["repositoryName"]
    policy = data.get("lifecyclePolicyText") or ecr._lifecycle_policies.get(name)
    if policy is None:
        message = f"Lifecycle policy does not exist for the repository with name '{name}'"
        return ecr.error_response_json("LifecyclePolicyNotFoundException", message, 400)
    results = [
        {
            "imageDigest": image["imageDigest"],
            "imageTags": image.get("imageTags", []),
            "imagePushedAt": image["imagePushedAt"],
            "action": {"type": "EXPIRE"},
            "appliedRulePriority": priority,
        }
        for image, priority in expiring(policy, ecr._images.get(name, []), time.time())
    ]
    preview = {
        "registryId": ecr.get_account_id(),
        "repositoryName": name,
        "lifecyclePolicyText": policy,
    }
    _previews[name] = preview | {
        "status": "COMPLETE",
        "previewResults": results,
        "summary": {"expiringImageTotalCount": len(results)},
    }
    return ecr.json_response(preview | {"status": "IN_PROGRESS"})
