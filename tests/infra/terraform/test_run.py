"""A plan is applied once and as it was read; a state that could not be saved is saved by the next run."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL, TERRAFORM
from pipeline.git import repository as git
from pipeline.releases import environments
from pipeline.terraform import roots
from pipeline.terraform import run as terraform
from pipeline.terraform.errors import TerraformError
from pipeline.terraform.roots import Root

DOCUMENT = {"resource_changes": [{"address": "aws_vpc.a"}]}


class Machine:
    """A root whose Terraform ends as a test wants."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.changed = True
        self.error: BaseException | None = None
        self.began_while_applying = False

    def stream(
        self, root: Root, arguments: Sequence[str], _: Any, *, seconds: float = 0
    ) -> tuple[bool, int]:
        assert bool(seconds) == (arguments[0] == "apply"), "an apply ends before GitHub's step does"
        if arguments[0] == "apply":
            self.began_while_applying = (root.home / "applying").is_file()
            if self.error:
                raise self.error
            return False, 3
        (out,) = [one.removeprefix("-out=") for one in arguments if one.startswith("-out=")]
        Path(out).touch()
        return self.changed, 0

    def apply(self) -> int:
        return terraform.apply(terraform.saved_plan(self.root))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(roots, "LOCAL", tmp_path)
    root = Root("staging", TERRAFORM, "bucket", "us-east-1", {}, {})
    root.home.mkdir(parents=True)
    machine = Machine(root)
    monkeypatch.setattr(terraform, "init", lambda _: None)
    monkeypatch.setattr(terraform, "_stream", machine.stream)
    monkeypatch.setattr(terraform, "_json", lambda *_: DOCUMENT)
    return machine


def test_a_promoted_revision_is_planned_with_its_own_hcl() -> None:
    environment = environments.load("staging")
    revision = git.revision()
    promoted = roots.environment_root(dataclasses.replace(environment, revision=revision), {})
    assert promoted.folder == LOCAL / "revisions" / revision / "infra" / "terraform"
    committed = git.show(revision, "infra/terraform/main.tf")
    assert (promoted.folder / "main.tf").read_text(encoding="utf-8") == committed
    assert (promoted.tree / "project.yaml").is_file()
    assert roots.environment_root(environment, {}).folder == TERRAFORM


def test_a_revision_that_is_not_merged_is_refused() -> None:
    environment = dataclasses.replace(environments.load("staging"), revision="1" * 40)
    with pytest.raises(PipelineError, match="does not contain"):
        roots.environment_root(environment, {})


def test_a_plan_is_saved_for_its_owner_alone_and_applied_once(machine: Machine) -> None:
    planned = terraform.plan(machine.root)
    assert planned.document == DOCUMENT
    saved = list(machine.root.home.iterdir())
    assert {file.stat().st_mode & 0o777 for file in saved} == {0o600}
    assert terraform.saved_plan(machine.root) == planned
    assert machine.apply() == 3
    assert list(machine.root.home.iterdir()) == []
    with pytest.raises(PipelineError, match="there is no plan"):
        machine.apply()


def test_a_plan_without_changes_is_read_only_when_it_is_asked_for(machine: Machine) -> None:
    machine.changed = False
    assert terraform.plan(machine.root).document is None
    assert terraform.plan(machine.root, read=True).document == DOCUMENT
    assert terraform.saved_plan(machine.root).document is None


def test_a_plan_of_other_sources_is_stale(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform.plan(machine.root)
    monkeypatch.setattr(terraform, "source_key", lambda _: "changed")
    with pytest.raises(PipelineError, match="stale"):
        machine.apply()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), TerraformError([], name="staging", log=None)]
)
def test_an_apply_that_ends_early_has_used_its_plan_up(
    machine: Machine, error: BaseException
) -> None:
    terraform.plan(machine.root)
    machine.error = error
    with pytest.raises(type(error)):
        machine.apply()
    assert machine.began_while_applying
    with pytest.raises(PipelineError, match="there is no plan"):
        machine.apply()
    assert list(machine.root.home.iterdir()) == []


def test_a_plan_that_nobody_applies_takes_no_place(machine: Machine) -> None:
    terraform.plan(machine.root, lock=False)
    with pytest.raises(PipelineError, match="there is no plan"):
        machine.apply()
    terraform.plan(machine.root)
    terraform.plan(machine.root, lock=False)
    assert machine.apply() == 3


@pytest.mark.parametrize("began", [True, False], ids=["ours", "of-another-environment"])
def test_a_state_that_an_orphaned_terraform_could_not_save_is_saved_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: bool
) -> None:
    monkeypatch.setattr(roots, "LOCAL", tmp_path)
    root = Root("staging", tmp_path / "infra", "bucket", "us-east-1", {}, {})
    left = root.folder / "errored.tfstate"
    left.parent.mkdir()
    left.write_text("{}")
    root.home.mkdir(parents=True)
    if began:
        (root.home / "applying").touch()
    ran: list[list[str]] = []
    monkeypatch.setattr(terraform, "_text", lambda _, arguments: ran.append(arguments[:2]))
    monkeypatch.setattr(terraform, "init_key", lambda _: "key")
    terraform.init(root)
    assert (["state", "push"] in ran) == began
    assert left.exists() != began
