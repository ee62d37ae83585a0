"""Delivery to ECS: AWS is asked what runs, and only a failure of the service is reported as one."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.aws import ecs, identity_provider, registry
from pipeline.aws.account import Account
from pipeline.aws.ecs import Service
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.targets import ecs as ecs_target
from pipeline.terraform import roots, state_bucket
from pipeline.terraform import run as terraform
from pipeline.terraform.errors import Diagnostic, TerraformError

WANTED = f"sha256:{'1' * 64}"
OTHER = f"sha256:{'2' * 64}"
EXISTS = Diagnostic("error", "creating IAM Role (x): EntityAlreadyExists", "", "aws_iam_role.x")
ROLLED_BACK = Diagnostic("error", "ECS rolled the deployment back", "")


def applied(
    monkeypatch: pytest.MonkeyPatch,
    service: Service | None,
    error: Diagnostic | None,
    *resources: dict[str, Any],
    acknowledged: tuple[str, ...] = (),
    alarms: list[str] | None = None,
    unwatched: bool = False,
) -> str:
    """What the stage says of an apply that ended with an error, or well, when ECS has that service."""
    environment = replace(environments.load("staging"), digest=WANTED)

    kept: list[tuple[str | None, str]] = []

    def run(*_: Any, **__: Any) -> int:
        assert kept == [(WANTED, "staging")], "what is about to run must not expire"
        if error:
            raise TerraformError([error], name="staging", log=None)
        return 1

    monkeypatch.setattr(aws, "account", lambda _: Account({}, local=True))
    monkeypatch.setattr(aws, "existing_account", lambda _: Account({}, local=True))
    monkeypatch.setattr(aws.Account, "client", lambda *_: None)
    monkeypatch.setattr(admission, "require", lambda *_: None)
    monkeypatch.setattr(
        registry, "keep", lambda _client, image, name: kept.append((image.digest, name))
    )
    monkeypatch.setattr(ecs_target, "exclusive", lambda _: nullcontext())
    monkeypatch.setattr(
        terraform,
        "saved_plan",
        lambda root: terraform.Plan(
            root, True, {"planned_values": {"root_module": {"resources": resources}}}, ""
        ),
    )
    monkeypatch.setattr(terraform, "apply", run)
    monkeypatch.setattr(ecs_target, "running", lambda *_: service)
    monkeypatch.setattr(ecs, "alarmed", lambda *_: alarms or [])
    monkeypatch.setattr(ecs, "unwatched", lambda *_, since: unwatched and since is not None)
    monkeypatch.setattr(
        ecs, "last_failure", lambda *_, refused: [f"{refused[7:9]} stopped: it burnt"]
    )
    return ecs_target.deliver(environment, acknowledged)


def serving(digest: str) -> Service:
    return Service("arn", 1, {"task": digest}, None)


def test_what_costs_more_than_the_budget_is_applied_only_when_that_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    balancers = [
        {"type": "aws_lb", "mode": "managed", "address": f"aws_lb.x{number}", "values": {}}
        for number in range(50)
    ]
    with pytest.raises(PipelineError, match=r"above its budget of .* \(aws.budget_usd\)"):
        applied(monkeypatch, serving(WANTED), None, *balancers)
    meant = applied(
        monkeypatch, serving(WANTED), None, *balancers, acknowledged=("aws.budget_usd",)
    )
    assert meant == "1 resources changed"


@pytest.mark.parametrize("service", [None, serving(OTHER)])
def test_terraforms_own_cause_is_told(
    monkeypatch: pytest.MonkeyPatch, service: Service | None
) -> None:
    with pytest.raises(PipelineError, match="the state of staging does not know it"):
        applied(monkeypatch, service, EXISTS)


def test_a_rollback_is_told_with_what_ecs_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match=r"ECS runs 222222222222 .*it burnt"):
        applied(monkeypatch, serving(OTHER), ROLLED_BACK)


def test_a_rollback_by_alarms_is_told_with_their_figures_and_the_last_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alarm = "alarm errors: Threshold Crossed: 20.0 was greater than 5.0"
    with pytest.raises(PipelineError, match=rf"ECS runs 222222222222 .*\({alarm}\)"):
        applied(monkeypatch, serving(OTHER), ROLLED_BACK, alarms=[alarm])
    assert f"{WANTED[7:9]} stopped: it burnt" in capsys.readouterr().out


def test_a_rollback_without_a_service_is_told_as_terraform_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(PipelineError, match="ECS rolled the deployment back"):
        applied(monkeypatch, None, ROLLED_BACK)


def test_success_is_believed_when_ecs_runs_the_wanted_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert applied(monkeypatch, serving(WANTED), None) == "1 resources changed"
    with pytest.raises(PipelineError, match="ECS runs 222222222222"):
        applied(monkeypatch, serving(OTHER), None)
    with pytest.raises(PipelineError, match="no running service"):
        applied(monkeypatch, None, None)


def test_a_deployment_that_ecs_has_not_watched_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    headline = applied(monkeypatch, serving(WANTED), None, unwatched=True)
    assert headline == "1 resources changed; NOT WATCHED by its alarms"
    assert "an alarm was on" in capsys.readouterr().err


def test_the_account_is_prepared_after_its_plan_is_shown_and_never_trusts_another_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = {"assume_role_policy": "acme"}, {"assume_role_policy": "mallory"}
    changes = [
        ("aws_iam_role.apply", ["update"], *trust),
        ("aws_iam_policy.old", ["delete"], {}, None),
        ("aws_iam_role.old", ["delete"], {}, None),
        ("aws_s3_bucket.state", ["create"], None, {}),
    ]
    document = {
        "resource_changes": [
            {
                "address": address,
                "type": address.partition(".")[0],
                "mode": "managed",
                "change": {"actions": actions, "before": before, "after": after},
            }
            for address, actions, before, after in changes
        ]
    }
    prepared(monkeypatch, document)
    staging = environments.load("staging")
    with pytest.raises(
        PipelineError, match=r"aws_iam_role\.old: lost would be the role.*1 more"
    ) as error:
        ecs_target.prepare(staging)
    assert "--acknowledge 'aws_iam_role.apply'" in error.value.next_step
    assert 'assume_role_policy: "acme" -> "mallory"' in capsys.readouterr().out
    headline = ecs_target.prepare(staging, acknowledged=["aws_iam_role.apply", "aws_iam_role.old"])
    assert headline == (
        "the account is prepared (bootstrap: 1 to create, 1 to change, 2 to destroy)"
    )


def prepared(monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> list[roots.Root]:
    """The roots that are planned, with ``document`` for their plan."""
    planned: list[roots.Root] = []

    def plan(root: roots.Root, **_: object) -> terraform.Plan:
        planned.append(root)
        return terraform.Plan(root, bool(document), document, "")

    monkeypatch.setattr(aws, "account", lambda _: Account({}, local=False))
    monkeypatch.setattr(identity_provider, "is_shared", lambda _: False)
    monkeypatch.setattr(state_bucket, "ensure", lambda *_: None)
    monkeypatch.setattr(terraform, "output", lambda _: {"github_repository": TRUSTED})
    monkeypatch.setattr(terraform, "plan", plan)
    monkeypatch.setattr(terraform, "apply", lambda *_, **__: 3)
    return planned


TRUSTED = {"name": "acme/shop", "owner_id": "1", "repository_id": "2"}


@pytest.mark.parametrize("named", [None, roots.GitHubRepository("acme/other", "1", "3")])
def test_the_roles_stay_those_of_their_repository_until_another_one_is_named(
    monkeypatch: pytest.MonkeyPatch, named: roots.GitHubRepository | None
) -> None:
    planned = prepared(monkeypatch, {})
    ecs_target.prepare(environments.load("staging"), named)
    (root,) = planned
    assert root.variables["github_repository"] == (named.name if named else "acme/shop")
    assert root.variables["github_repository_id"] == (named.repository_id if named else "2")
