"""A repository's settings, by their path below the repository: environments, variables, labels and rulesets.

Status codes and bodies are those of docs.github.com, *REST API endpoints* for each of them.
"""

import re
from typing import Any

#: Status and JSON body; None for no body.
Answer = tuple[int, Any]
#: The settings by path, as GitHub gives each by itself.
Settings = dict[str, dict[str, Any]]
PATHS = r"(?:actions/variables|environments|labels|rulesets)(?:/.+)?"
#: Paths that list what they hold by id.
LISTS = ("rulesets", "deployment-branch-policies")
#: What the list of rulesets shows of each: neither its rules nor where they hold, nor who may bypass them.
SUMMARY = ("id", "name", "target", "source_type", "source", "enforcement")
#: Parameters that GitHub adds to a rule which does not name them.
DEFAULTS: dict[str, dict[str, Any]] = {
    "pull_request": {"automatic_copilot_code_review_enabled": False, "required_reviewers": []},
    "required_status_checks": {"do_not_enforce_on_create": False},
}
NOT_FOUND: Answer = (404, {"message": "Not Found"})


def get(
    kept: Settings, inherited: list[dict[str, Any]], path: str, query: dict[str, str]
) -> Answer:
    """A setting or a list; ``inherited`` are the organisation's rulesets, listed unless the call says otherwise."""
    if not path.endswith(LISTS):
        return (200, kept[path]) if path in kept else NOT_FOUND
    items = [body for name, body in kept.items() if name.startswith(f"{path}/")]
    if path != "rulesets":
        return 200, {"total_count": len(items), "branch_policies": page(items, query)}
    if query.get("includes_parents", "true") != "false":
        items = [*inherited, *items]
    return 200, [{key: item[key] for key in SUMMARY} for item in page(items, query)]


def add(kept: Settings, path: str, body: dict[str, Any]) -> Answer:
    """Keeps a new setting; a variable's answer is empty."""
    environment = path.rpartition("/")[0]
    if environment.startswith("environments/") and environment not in kept:
        return NOT_FOUND
    # Lists have their items by id, all else by name.
    identity = len(kept) if path.endswith(LISTS) else body["name"]
    if f"{path}/{identity}" in kept:
        return 409, {"message": "Already exists"}
    names = [item["name"] for name, item in kept.items() if name.startswith(f"{path}/")]
    if path == "rulesets" and body["name"] in names:
        return 422, {"message": "Validation Failed", "errors": ["Name must be unique"]}
    made = kept[f"{path}/{identity}"] = {**_ruleset(path, body), "id": identity}
    if path.endswith("/variables"):
        return 201, {}
    return (200 if path.endswith("deployment-branch-policies") else 201), made


def change(kept: Settings, path: str, body: dict[str, Any]) -> Answer:
    """Changes a setting, or makes an environment; the change of a variable has no answer."""
    if path not in kept and not re.fullmatch(r"environments/\w+", path):
        return NOT_FOUND
    kept[path] = {**kept.get(path, {}), **_ruleset(path, body)}
    return (204, None) if "/variables/" in path else (200, kept[path])


def _ruleset(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A ruleset as GitHub keeps it, with the parameters that it adds; any other setting as it is."""
    if not path.startswith("rulesets"):
        return body
    rules = [
        {**rule, "parameters": {**DEFAULTS.get(rule["type"], {}), **rule["parameters"]}}
        if "parameters" in rule
        else rule
        for rule in body["rules"]
    ]
    return {**body, "source_type": "Repository", "source": "owner/name", "rules": rules}


def page(items: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    """The page of a list that a call asks for, by default the first 30 items."""
    size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
    return items[(number - 1) * size : number * size]
