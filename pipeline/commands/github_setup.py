"""Sets a repository on GitHub up for the workflows: environments, variables, the label of previews, branch rules."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.adoption import naming
from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.github import api, roles
from pipeline.releases import environments
from pipeline.releases.project import project


@dataclass(frozen=True)
class Setting:
    """What GitHub keeps at ``path``: made by a POST to ``within``, changed by ``change``.

    With ``listing`` (path and query) it is the item of that list with its name; ``wrapped`` is the key of the items.
    """

    path: str
    content: dict[str, Any]
    within: str = ""
    change: str = "PATCH"
    listing: str = ""
    wrapped: str = ""


def run(app_client_id: str | None, app_id: str | None, *, dry_run: bool) -> Result:
    """Sets what differs, in the repository that Argo CD reads; ``dry_run`` prints it alone.

    Raises PipelineError without a token (GITHUB_TOKEN, or gh), where GitHub refuses, or the default branch is not main.
    """
    repository = naming.now()["repository"]
    github = api.of(repository, _token())
    branch = str(github.call("GET", str(github.client.base_url).rstrip("/"))["default_branch"])
    if branch != "main":
        raise PipelineError(
            f"the default branch of {repository} is {branch}, and what is released comes from main",
            next_step=f"rename it: gh api -X POST repos/{repository}/branches/{branch}/rename -f new_name=main",
        )
    made = 0
    for setting in _settings(app_client_id, app_id):
        present = _present(github, setting)
        if present and _holds(present, setting.content):
            continue
        made += 1
        console.info(f"  {setting.path}: {json.dumps(setting.content)[:100]}")
        if dry_run:
            continue
        if present is None and setting.within:
            github.call("POST", setting.within, setting.content)
        else:
            path = (
                f"{setting.path}/{present['id']}" if present and setting.listing else setting.path
            )
            github.call(setting.change, path, setting.content)
    for name in environments.deployed():
        console.info(
            f"  by hand: gh secret set RELEASE_APP_KEY --env {name} < release-app.private-key.pem"
        )
    return Result(f"{'would set' if dry_run else 'set'} {made} settings of {repository}")


def _settings(app_client_id: str | None, app_id: str | None) -> Iterator[Setting]:
    """What the workflows read (docs/github.md); the roles are named as ``./inv bootstrap`` names them."""
    place = environments.load(environments.deployed()[0]).raw["aws"]
    preview = f"arn:aws:iam::{place['account_id']}:role/github/{project().name}-preview"
    yield _variable("actions", "AWS_REGION", place["region"])
    yield _variable("actions", "AWS_ROLES", roles.variable())
    if app_client_id:
        yield _variable("actions", "RELEASE_APP_CLIENT_ID", app_client_id)
    policy = {"protected_branches": False, "custom_branch_policies": True}
    for name in environments.deployed():
        path = f"environments/{name}"
        yield Setting(path, {"deployment_branch_policy": policy}, change="PUT")
        policies = f"{path}/deployment-branch-policies"
        yield Setting(
            policies,
            {"name": "main"},
            within=policies,
            listing=policies,
            wrapped="branch_policies",
        )
        yield _variable(path, "AWS_APPLY_ROLE_ARN", roles.arn("apply", name))
    yield Setting("environments/preview", {"deployment_branch_policy": None}, change="PUT")
    yield _variable("environments/preview", "AWS_PREVIEW_ROLE_ARN", preview)
    yield Setting("labels/preview", {"name": "preview"}, within="labels")
    if app_id:
        rules = json.loads((ROOT / ".github" / "ruleset.json").read_text(encoding="utf-8"))
        rules["bypass_actors"][0]["actor_id"] = int(app_id)
        # The organisation's rulesets are in the list as well, and are not this repository's to change.
        listing = "rulesets?includes_parents=false"
        yield Setting("rulesets", rules, within="rulesets", change="PUT", listing=listing)


def _variable(place: str, name: str, value: str) -> Setting:
    within = f"{place}/variables"
    return Setting(f"{within}/{name}", {"name": name, "value": value}, within=within)


def _present(github: api.Api, setting: Setting) -> dict[str, Any] | None:
    """What is there now; None where nothing is."""
    if not setting.listing:
        kept = github.find(setting.path)
        return None if kept is None else dict(kept)
    try:
        items = list(github.items(setting.listing, setting.wrapped))
    except api.RefusedError as error:
        if error.status == httpx.codes.NOT_FOUND:  # of an environment that is not there yet
            return None
        raise
    found = (item["id"] for item in items if item["name"] == setting.content["name"])
    identity = next(found, None)
    # A list shows a ruleset without its rules.
    return None if identity is None else dict(github.call("GET", f"{setting.path}/{identity}"))


def _holds(present: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there: GitHub adds keys of its own at any depth, and no items to a list."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(
            key in present and _holds(present[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(present, list)
            and len(present) == len(wanted)
            and all(any(_holds(each, item) for each in present) for item in wanted)
        )
    return bool(present == wanted)


def _token() -> str:
    if token := os.environ.get("GITHUB_TOKEN"):
        return token
    if gh := shutil.which("gh"):
        return process.capture([gh, "auth", "token"]).strip()
    raise PipelineError(
        "there is no token for GitHub",
        next_step="set GITHUB_TOKEN to one with administration of the repository, or log in with gh",
    )
