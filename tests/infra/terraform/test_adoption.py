"""What a killed Terraform had created is found in its stream and its plan, and imported under the right id."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.paths import TERRAFORM
from pipeline.terraform import adoption as terraform_adoption
from pipeline.terraform import import_ids as terraform_import_ids
from pipeline.terraform import root as terraform_root
from pipeline.terraform import run as terraform
from pipeline.terraform.adoption import Trace, search, traces
from pipeline.terraform.errors import Diagnostic, TerraformError
from pipeline.terraform.root import Root

LOCKED = [Diagnostic("error", "Error acquiring the state lock", "")]


def event(kind: str, address: str, action: str = "create", **hook: Any) -> dict[str, Any]:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action, **hook}}


def resource(
    address: str, actions: Sequence[str] = ("create",), importing: str | None = None, **after: Any
) -> dict[str, Any]:
    change: dict[str, Any] = {"actions": [*actions], "after": after}
    if importing:
        change["importing"] = {"id": importing}
    (kind,) = re.findall(r"\b(aws_\w+)\.", address)
    return {"address": address, "type": kind, "mode": "managed", "change": change}


def plan(*resources: dict[str, Any], known: Sequence[str] = ()) -> dict[str, Any]:
    state = [{"mode": "managed", "values": {"id": identity}} for identity in known]
    return {
        "resource_changes": [*resources],
        "prior_state": {
            "values": {"root_module": {"child_modules": [{"resources": state}]}},
        },
    }


class Ec2:
    """Answers like EC2 where only the tags tell one VPC from another."""

    def __init__(self, *vpcs: tuple[str, str]) -> None:
        self.vpcs = vpcs

    def can_paginate(self, _operation: str) -> bool:
        return False

    def describe_vpcs(self) -> dict[str, Any]:
        return {
            "Vpcs": [
                {"VpcId": one, "Tags": [{"Key": "Name", "Value": name}]} for one, name in self.vpcs
            ]
        }


def nobody(service: str) -> Any:
    raise AssertionError(f"{service} is not to be asked")


def found(
    document: Mapping[str, Any], traced: Mapping[str, Trace], **more: Any
) -> Mapping[str, str]:
    return search(document, traced, nobody, **more).imports


def test_completed_and_begun_creations_are_traces() -> None:
    messages = [
        event("apply_start", "aws_vpc.a"),
        event("apply_complete", "aws_vpc.a", id_value="vpc-1"),
        event("apply_start", "aws_lb.b"),
        event("apply_start", "data.aws_x.c", "read"),
        event("apply_start", "aws_x.d", "delete"),
    ]
    assert traces(messages, None) == {"aws_vpc.a": Trace("vpc-1"), "aws_lb.b": Trace()}


def test_a_creation_that_failed_is_none() -> None:
    messages = [event("apply_start", "aws_iam_role.a"), event("apply_errored", "aws_iam_role.a")]
    assert traces(messages, None) == {}


def test_what_the_killed_plan_was_importing_is_not_forgotten() -> None:
    killed = plan(resource("aws_vpc.a", ["no-op"], importing="vpc-1"), resource("aws_lb.b"))
    assert traces([], killed) == {"aws_vpc.a": Trace(import_id="vpc-1")}
    again = plan(resource("aws_vpc.a"))
    assert found(again, traces([], killed)) == {"aws_vpc.a": "vpc-1"}


def test_what_the_state_has_is_not_imported() -> None:
    document = plan(resource("aws_vpc.a", ["no-op"]), resource("aws_lb.b", ["update"]))
    assert found(document, {"aws_vpc.a": Trace("vpc-1"), "aws_lb.b": Trace("arn")}) == {}


@pytest.mark.parametrize(
    ("kind", "values", "resource_id", "identity"),
    [
        ("aws_eip", {}, "eipalloc-1", "eipalloc-1"),
        ("aws_secretsmanager_secret", {"name": "x"}, "arn:1", "arn:1"),
        ("aws_db_instance", {"identifier": "x"}, "db-ABC", "x"),
        ("aws_ecs_cluster", {"name": "x"}, "arn:aws:ecs:::cluster/x", "x"),
        ("aws_ecs_service", {"cluster": "arn:…:cluster/c", "name": "s"}, "arn", "c/s"),
        ("aws_iam_role_policy_attachment", {"role": "r", "policy_arn": "arn"}, "r-1", "r/arn"),
        (
            "aws_route",
            {"route_table_id": "rtb-1", "destination_cidr_block": "0.0.0.0/0"},
            "r-rtb-11080289494",
            "rtb-1_0.0.0.0/0",
        ),
        (
            "aws_route_table_association",
            {"subnet_id": "subnet-1", "route_table_id": "rtb-1"},
            "rtbassoc-1",
            "subnet-1/rtb-1",
        ),
        (
            "aws_appautoscaling_policy",
            {
                "service_namespace": "ecs",
                "resource_id": "service/c/s",
                "scalable_dimension": "ecs:service:DesiredCount",
                "name": "p",
            },
            "p",
            "ecs/service/c/s/ecs:service:DesiredCount/p",
        ),
    ],
)
def test_a_completed_creation_is_imported_as_its_type_wants(
    kind: str, values: dict[str, Any], resource_id: str, identity: str
) -> None:
    address = f"module.a.{kind}.b"
    document = plan(resource(address, **values))
    assert found(document, {address: Trace(resource_id)}) == {address: identity}


def test_a_name_is_enough_for_what_had_only_begun() -> None:
    document = plan(resource("aws_iam_role.a", name="task"), resource("aws_s3_bucket.b"))
    traced = {"aws_iam_role.a": Trace(), "aws_s3_bucket.b": Trace()}
    assert found(document, traced) == {"aws_iam_role.a": "task"}


def test_tags_tell_what_had_only_begun() -> None:
    document = plan(resource("aws_vpc.a", tags_all={"Name": "mine"}), known=["vpc-3"])

    def told(*vpcs: tuple[str, str]) -> terraform_adoption.Found:
        return search(document, {"aws_vpc.a": Trace()}, lambda _: Ec2(*vpcs))

    both = told(("vpc-1", "mine"), ("vpc-2", "other"), ("vpc-3", "mine"))
    assert both.imports == {"aws_vpc.a": "vpc-1"}
    assert told(("vpc-2", "other")) == terraform_adoption.Found({})
    unsure = told(("vpc-1", "mine"), ("vpc-4", "mine"))
    assert unsure.imports == {}
    assert unsure.left == ("aws_vpc.a: it may be any of vpc-1, vpc-4",)


def test_what_is_made_again_is_not_imported() -> None:
    document = plan(
        resource("aws_acm_certificate_validation.a"), resource("aws_s3_bucket_policy.b")
    )
    traced = {
        "aws_acm_certificate_validation.a": Trace("2026-11-24"),
        "aws_s3_bucket_policy.b": Trace(),
    }
    assert found(document, traced) == {}


def test_an_id_that_the_first_import_makes_known_is_found_next() -> None:
    traced = {"aws_vpc.a": Trace("vpc-1"), "aws_route.b": Trace("r-rtb-1")}
    route = {"destination_cidr_block": "0.0.0.0/0"}
    first = search(plan(resource("aws_vpc.a"), resource("aws_route.b", **route)), traced, nobody)
    assert first.imports == {"aws_vpc.a": "vpc-1"}
    assert first.left == ("aws_route.b (r-rtb-1): what its import needs is not known",)
    second = plan(
        resource("aws_vpc.a", ["no-op"], importing="vpc-1"),
        resource("aws_route.b", **route, route_table_id="rtb-1"),
    )
    assert found(second, traced) == {"aws_vpc.a": "vpc-1", "aws_route.b": "rtb-1_0.0.0.0/0"}


def test_what_cannot_be_adopted_is_named() -> None:
    saved = resource("aws_lb.b", ["create", "delete"])
    saved["change"]["before"] = {"id": "arn:3"}
    document = plan(resource("aws_lb.a", ["create", "delete"]), saved)
    traced = {
        "aws_lb.a": Trace("arn:2"),
        "aws_lb.b": Trace("arn:3"),
        "aws_vpc.gone": Trace("vpc-1"),
        "aws_lb.c": Trace(),
    }
    assert search(document, traced, nobody).left == (
        "aws_lb.a (arn:2) is there, but the state still has its predecessor",
        "aws_vpc.gone (vpc-1) is not in the configuration any more",
    )


def test_every_type_in_use_has_a_rule() -> None:
    kinds = {
        kind
        for file in TERRAFORM.rglob("*.tf")
        for kind in re.findall(r'^resource "(\w+)"', file.read_text("utf-8"), re.M)
    }
    assert len(kinds) > 50
    without = []
    for kind in sorted(kinds):
        if terraform_import_ids.needs_none(kind, begun=True):
            continue
        try:
            terraform_import_ids.import_id(kind, MagicMock(), None, MagicMock(), ())
        except LookupError:
            without.append(kind)
    assert without == []


def test_blocks_hold_any_id() -> None:
    text = terraform_adoption.blocks({'aws_x.y["a"]': 'a"b${c}', "aws_vpc.a": "vpc-1"})
    assert 'to = aws_x.y["a"]\n  id = "a\\"b$${c}"' in text
    assert text.count("import {") == 2


def test_an_object_that_does_not_exist_is_told_apart() -> None:
    imports = {
        "aws_iam_role.a": "task",
        "aws_route_table_association.b": "subnet-1/rtb-1",
        "aws_db_instance.c": "app",
    }
    traced = dict.fromkeys(imports, Trace())

    def missing(*errors: Diagnostic) -> set[str]:
        error = TerraformError(errors, name="staging", log=None, code=1)
        return terraform_adoption.not_there(error, imports, traced)

    by_address = Diagnostic(
        "error", "Cannot import non-existent remote object", 'object to "aws_iam_role.a", app'
    )
    by_id = Diagnostic(
        "error", "No association found between route table ID rtb-1 and target ID subnet-1", ""
    )
    assert missing(by_address) == {"aws_iam_role.a"}
    assert missing(by_id) == {"aws_route_table_association.b"}
    assert missing(by_address, by_id) == {"aws_iam_role.a", "aws_route_table_association.b"}
    # One that names nothing: all that nobody has seen are in doubt.
    assert missing(Diagnostic("error", "empty result", "")) == set(imports)


def test_an_import_that_is_denied_names_resource_and_way_out() -> None:
    error = TerraformError(
        [Diagnostic("error", "reading: AccessDenied", "")], name="staging", log=None, code=1
    )
    with pytest.raises(PipelineError, match=r"aws_vpc\.a .* cannot be imported") as caught:
        terraform_adoption.not_there(error, {"aws_vpc.a": "vpc-1"}, {"aws_vpc.a": Trace()})
    assert "import block" in caught.value.next_step


class Machine:
    """A root whose Terraform says and does what a test wants."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.events: list[dict[str, Any]] = []
        self.error: BaseException | None = None
        self.documents: list[dict[str, Any]] = []
        self.blocks: list[str] = []

    def stream(self, root: Root, arguments: Sequence[str], *_: Any, **__: Any) -> int:
        if arguments[0] == "apply":
            lines = [json.dumps(one) for one in self.events]
            # The last line is cut off, as a kill does.
            terraform_adoption.journal(root).write_text("\n".join([*lines, '{"ty']), "utf-8")
            if self.error:
                raise self.error
            return 0
        (root.home / "plan.tfplan").touch()
        (root.home / "review.tfplan").touch()
        imports = root.folder / "imports.tf"
        self.blocks.append(imports.read_text("utf-8") if imports.is_file() else "")
        return terraform.CHANGES

    def apply(self) -> None:
        terraform.apply(terraform.saved_plan(self.root))

    @property
    def kept(self) -> bool:
        return terraform_adoption.unfinished(self.root).is_file()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(terraform_root, "LOCAL", tmp_path)
    root = Root("staging", TERRAFORM, "bucket", "us-east-1", {}, {})
    root.home.mkdir(parents=True)
    made = Machine(root)
    monkeypatch.setattr(terraform, "init", lambda _: None)
    monkeypatch.setattr(terraform, "_stream", made.stream)
    monkeypatch.setattr(terraform, "_document", lambda *_: made.documents.pop(0))
    return made


def killed(machine: Machine) -> None:
    """A plan whose apply is killed when it has made a VPC."""
    machine.documents = [plan(resource("aws_vpc.a"))]
    terraform.plan(machine.root)
    machine.events = [
        event("apply_start", "aws_vpc.a"),
        event("apply_complete", "aws_vpc.a", id_value="vpc-1"),
    ]
    machine.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        machine.apply()
    machine.error = None


def test_a_killed_apply_is_continued_by_plan_and_apply(machine: Machine) -> None:
    killed(machine)
    assert terraform_adoption.unfinished(machine.root).stat().st_mode & 0o777 == 0o600
    with pytest.raises(PipelineError, match="there is no plan"):
        machine.apply()
    imported = plan(resource("aws_vpc.a", ["no-op"], importing="vpc-1"))
    machine.documents = [plan(resource("aws_vpc.a")), imported]
    made = terraform.plan(machine.root)
    assert made.document == imported
    assert machine.blocks[-2:] == ["", 'import {\n  to = aws_vpc.a\n  id = "vpc-1"\n}\n']
    assert not (TERRAFORM / "imports.tf").exists()
    machine.apply()
    assert not machine.kept


def test_a_continued_apply_that_is_killed_is_continued_too(machine: Machine) -> None:
    killed(machine)
    imported = plan(resource("aws_vpc.a", ["no-op"], importing="vpc-1"))
    machine.documents = [plan(resource("aws_vpc.a")), imported]
    terraform.plan(machine.root)
    machine.events, machine.error = [], KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        machine.apply()
    machine.documents = [plan(resource("aws_vpc.a")), imported]
    assert terraform.plan(machine.root).document == imported


def test_a_state_that_knows_everything_ends_the_matter(machine: Machine) -> None:
    killed(machine)
    machine.documents = [plan(resource("aws_vpc.a", ["no-op"]))]
    terraform.plan(machine.root)
    assert machine.blocks[-1] == ""
    assert not machine.kept


@pytest.mark.parametrize("began", [True, False], ids=["ours", "of-another-environment"])
def test_a_state_that_an_orphaned_terraform_could_not_save_is_saved_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: bool
) -> None:
    monkeypatch.setattr(terraform_root, "LOCAL", tmp_path)
    root = Root("staging", tmp_path / "infra", "bucket", "us-east-1", {}, {})
    left = root.folder / "errored.tfstate"
    left.parent.mkdir()
    left.write_text("{}")
    root.home.mkdir(parents=True)
    if began:
        terraform_adoption.unfinished(root).write_text("{}")
    ran: list[list[str]] = []
    monkeypatch.setattr(terraform, "_text", lambda _, arguments: ran.append(arguments[:2]))
    monkeypatch.setattr(terraform, "init_key", lambda _: "key")
    terraform.init(root)
    assert (["state", "push"] in ran) == began
    assert left.exists() != began


def test_a_plan_that_was_refused_leaves_nothing_to_adopt(machine: Machine) -> None:
    machine.documents = [plan(resource("aws_vpc.a"))] * 2
    terraform.plan(machine.root)
    machine.error = TerraformError(LOCKED, name="staging", log=None, code=1)
    with pytest.raises(TerraformError):
        machine.apply()
    assert machine.kept
    terraform.plan(machine.root)
    assert not machine.kept


def test_an_apply_that_fails_by_itself_has_saved_its_state(machine: Machine) -> None:
    machine.documents = [plan(resource("aws_vpc.a"))]
    terraform.plan(machine.root)
    machine.events = [event("apply_start", "aws_vpc.a"), event("apply_errored", "aws_vpc.a")]
    machine.error = TerraformError([], name="staging", log=None, code=1)
    with pytest.raises(TerraformError):
        machine.apply()
    assert not machine.kept


@pytest.mark.parametrize(("events", "code"), [(0, 1), (2, -9)])
def test_what_did_not_begin_or_was_killed_alone_stays_to_be_done(
    machine: Machine, events: int, code: int
) -> None:
    killed(machine)
    machine.documents = [
        plan(resource("aws_vpc.a")),
        plan(resource("aws_vpc.a", importing="vpc-1")),
    ]
    terraform.plan(machine.root)
    machine.events = machine.events[:events]
    machine.error = TerraformError(LOCKED, name="staging", log=None, code=code)
    with pytest.raises(TerraformError):
        machine.apply()
    assert machine.kept


def test_a_plan_that_nobody_applies_adopts_nothing_and_takes_no_place(machine: Machine) -> None:
    killed(machine)
    machine.documents = [plan(resource("aws_vpc.a"))]
    assert terraform.plan(machine.root, lock=False).document == plan(resource("aws_vpc.a"))
    with pytest.raises(PipelineError, match="there is no plan"):
        machine.apply()


def test_an_import_without_object_is_dropped_and_planned_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(machine)
    absent = Diagnostic("error", "Cannot import non-existent remote object", '"aws_vpc.a"')
    plans = iter([None, TerraformError([absent], name="staging", log=None, code=1), None])

    def stream(root: Root, arguments: Sequence[str], *_: Any, **__: Any) -> int:
        error = next(plans)
        if error:
            raise error
        return machine.stream(root, arguments)

    monkeypatch.setattr(terraform, "_stream", stream)
    machine.documents = [plan(resource("aws_vpc.a")), plan(resource("aws_vpc.a"))]
    terraform.plan(machine.root)
    assert machine.blocks[-1] == ""
    assert next(plans, "all were made") == "all were made"


def test_nothing_is_destroyed_while_the_state_may_not_know_all(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(machine)
    monkeypatch.setattr(terraform, "state_addresses", lambda _: [])
    with pytest.raises(PipelineError, match="may not know all") as caught:
        terraform.destroy(machine.root, confirm="staging")
    assert "./inv plan" in caught.value.next_step
    monkeypatch.setattr(terraform, "state_addresses", lambda _: ["aws_vpc.a"])
    machine.documents = [plan(resource("aws_vpc.a", ["delete"]))]
    terraform.destroy(machine.root, confirm="staging")
    assert not machine.kept
