"""GitHub is told all that docs/github.md asks for, once."""

import json
from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML

from localgithub import server
from localgithub.api import Store
from pipeline.adoption import naming
from pipeline.commands import github_setup
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.releases import environments


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with server.serve(naming.now()["repository"], "token") as (address, store):
        monkeypatch.setenv("GITHUB_API_URL", address)
        monkeypatch.setenv("GITHUB_TOKEN", "token")
        yield store


def test_what_the_workflows_read_is_set_once(store: Store) -> None:
    assert github_setup.run("Iv23", "77", dry_run=True).headline.startswith("would set")
    assert store.settings == {}
    github_setup.run("Iv23", "77", dry_run=False)
    kept = store.settings
    for name in environments.deployed():
        assert kept[f"environments/{name}"]["deployment_branch_policy"]["custom_branch_policies"]
        role = kept[f"environments/{name}/variables/AWS_APPLY_ROLE_ARN"]["value"]
        assert role.endswith(f"-apply-{name}")
    assert kept["actions/variables/RELEASE_APP_CLIENT_ID"]["value"] == "Iv23"
    assert kept["labels/preview"]
    (rules,) = (body for path, body in kept.items() if path.startswith("rulesets/"))
    assert rules["bypass_actors"][0]["actor_id"] == 77
    written = json.dumps(kept)
    assert github_setup.run("Iv23", "77", dry_run=False).headline.startswith("set 0 ")
    assert json.dumps(store.settings) == written


def test_what_was_changed_by_hand_is_set_back(store: Store) -> None:
    github_setup.run(None, None, dry_run=False)
    store.settings["actions/variables/AWS_REGION"]["value"] = "mars-north-1"
    assert github_setup.run(None, None, dry_run=False).headline.startswith("set 1 ")
    region = environments.load(environments.deployed()[0]).raw["aws"]["region"]
    assert store.settings["actions/variables/AWS_REGION"]["value"] == region
    name = environments.deployed()[0]
    store.settings[f"environments/{name}/variables/AWS_APPLY_ROLE_ARN"]["value"] = ""
    assert github_setup.run(None, None, dry_run=False).headline.startswith("set 1 ")
    assert github_setup.run(None, None, dry_run=False).headline.startswith("set 0 ")


def test_a_rule_that_was_changed_by_hand_is_set_back(store: Store) -> None:
    github_setup.run(None, "77", dry_run=False)
    (rules,) = (body for path, body in store.settings.items() if path.startswith("rulesets/"))
    [checks] = (rule for rule in rules["rules"] if rule["type"] == "required_status_checks")
    checks["parameters"]["required_status_checks"] = []
    assert github_setup.run(None, "77", dry_run=False).headline.startswith("set 1 ")
    assert github_setup.run(None, "77", dry_run=True).headline.startswith("would set 0 ")


def test_the_organisations_rules_are_neither_taken_for_ours_nor_changed(store: Store) -> None:
    """The list has them all, and thirty a page; each shows its rules by itself alone."""
    theirs = {"target": "branch", "source_type": "Organization", "source": "owner"}
    store.inherited_rulesets = [
        {"id": 900 + number, "name": "main", "enforcement": "active", **theirs}
        for number in range(40)
    ]
    github_setup.run(None, "77", dry_run=False)
    assert github_setup.run(None, "77", dry_run=False).headline.startswith("set 0 ")
    assert not [call for call in store.calls if "rulesets/9" in call]


def test_a_release_outdates_no_pull_request() -> None:
    """The app commits to main after each deployment; main's own checks run before the next one."""
    rules = json.loads((ROOT / ".github" / "ruleset.json").read_text(encoding="utf-8"))["rules"]
    [checks] = (rule["parameters"] for rule in rules if rule["type"] == "required_status_checks")
    assert checks["strict_required_status_checks_policy"] is False
    jobs = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "main.yml")["jobs"]
    assert {"lint", "test"} <= set(jobs["image"]["needs"])
    assert "image" in jobs["deploy"]["needs"]


def test_every_variable_that_a_workflow_needs_is_set_or_optional(store: Store) -> None:
    github_setup.run("Iv23", None, dry_run=False)
    names = {path.rpartition("/")[2] for path in store.settings if "/variables/" in path}
    page = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if "| variable |" in line]
    needed = {line.split("`")[1] for line in table if "optional" not in line}
    assert needed
    assert needed <= names


def test_a_default_branch_that_is_not_main_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BRANCH", "trunk")
    with pytest.raises(PipelineError, match="is trunk") as refused:
        github_setup.run(None, None, dry_run=False)
    assert "branches/trunk/rename" in refused.value.next_step
    assert store.settings == {}
