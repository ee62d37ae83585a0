"""Sets a repository on GitHub up for the workflows: environments, variables, the label of previews, branch rules."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    """What GitHub keeps at ``path``: made by a POST to ``within``, changed by ``change``; ``item`` of a list."""

    path: str
    content: dict[str, Any]
    within: str = ""
    change: str = "PATCH"
    item: str = ""


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
        if present and setting.content.items() <= present.items():
            continue
        made += 1
        console.info(f"  {setting.path}: {json.dumps(setting.content)[:100]}")
        if dry_run:
            continue
        if present is None and setting.within:
            github.call("POST", setting.within, setting.content)
        else:
            path = f"{setting.path}/{present['id']}" if present and setting.item else setting.path
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
        yield Setting(policies, {"name": "main"}, within=policies, item="branch_policies")
        yield _variable(path, "AWS_APPLY_ROLE_ARN", roles.arn("apply", name))
    yield Setting("environments/preview", {"deployment_branch_policy": None}, change="PUT")
    yield _variable("environments/preview", "AWS_PREVIEW_ROLE_ARN", preview)
    yield Setting("labels/preview", {"name": "preview"}, within="labels")
    if app_id:
        rules = json.loads((ROOT / ".github" / "ruleset.json").read_text(encoding="utf-8"))
        rules["bypass_actors"][0]["actor_id"] = int(app_id)
        yield Setting("rulesets", rules, within="rulesets", change="PUT", item="name")


def _variable(place: str, name: str, value: str) -> Setting:
    within = f"{place}/variables"
    return Setting(f"{within}/{name}", {"name": name, "value": value}, within=within)


def _present(github: api.Api, setting: Setting) -> dict[str, Any] | None:
    """What is there now; None where nothing is."""
    kept = github.find(setting.path)
    if kept is None:
        return None
    if not setting.item:
        return dict(kept)
    items = kept if isinstance(kept, list) else kept[setting.item]
    return next((dict(item) for item in items if item["name"] == setting.content["name"]), None)


def _token() -> str:
    if token := os.environ.get("GITHUB_TOKEN"):
        return token
    if gh := shutil.which("gh"):
        return process.capture([gh, "auth", "token"]).strip()
    raise PipelineError(
        "there is no token for GitHub",
        next_step="set GITHUB_TOKEN to one with administration of the repository, or log in with gh",
    )
