"""A plan's summary: dangerous changes first and acknowledged, secrets hidden, never longer than a comment."""

import json
from typing import Any

import pytest

from pipeline.core.errors import PipelineError
from pipeline.terraform import plan_summary


def change(
    address: str,
    actions: list[str],
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    kind = next(part for part in address.split(".") if part.startswith("aws_"))
    reason = more.pop("reason", None)
    return {
        "address": address,
        "type": kind,
        "mode": "managed",
        "action_reason": reason,
        "change": {"actions": actions, "before": before, "after": after, **more},
    }


def plan(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"resource_changes": list(changes)}


def test_counts_what_is_created_changed_replaced_and_destroyed() -> None:
    summary = plan_summary.summarise(
        plan(
            change("aws_subnet.a", ["create"]),
            change("aws_subnet.b", ["create"]),
            change("aws_ecs_service.x", ["update"], {"desired_count": 2}, {"desired_count": 3}),
            change("aws_ecs_task_definition.x", ["delete", "create"], {}, {}),
            change("aws_subnet.c", ["delete"]),
            change("aws_vpc.same", ["no-op"]),
        ),
        "staging",
    )
    assert summary.headline == "staging: 2 to create, 1 to change, 1 to replace, 1 to destroy"


def test_counts_what_is_imported_also_when_it_is_changed() -> None:
    summary = plan_summary.summarise(
        plan(
            change("aws_vpc.x", ["no-op"], importing={"id": "vpc-1"}),
            change("aws_lb.x", ["update"], {"a": 1}, {"a": 2}, importing={"id": "arn"}),
            change("aws_subnet.x", ["create"]),
        ),
        "staging",
    )
    assert summary.headline == "staging: 2 to import, 1 to create, 1 to change"
    text = plan_summary.as_text(summary)
    assert "= import aws_vpc.x" in text
    assert "~ update aws_lb.x (it exists, and is imported first)" in text


def test_says_when_nothing_changes() -> None:
    assert plan_summary.as_text(plan_summary.summarise(None, "local")) == "local: no changes"
    assert "no changes" in plan_summary.as_markdown(plan_summary.summarise(None, "local"))


def test_a_data_source_is_no_change() -> None:
    read = change("aws_subnet.a", ["create"]) | {"mode": "data"}
    assert plan_summary.summarise(plan(read), "local").changes == ()


@pytest.mark.parametrize("actions", [["delete"], ["delete", "create"], ["create", "delete"]])
@pytest.mark.parametrize("kind", ["aws_db_instance", "aws_lb", "aws_ecr_repository"])
def test_losing_database_balancer_or_registry_comes_first_and_is_named(
    kind: str, actions: list[str]
) -> None:
    summary = plan_summary.summarise(
        plan(change("aws_subnet.a", ["delete"]), change(f"{kind}.main", actions, {}, {})), "staging"
    )
    assert summary.changes[0].address == f"{kind}.main"
    assert "DANGEROUS" in plan_summary.as_text(summary).splitlines()[2]
    assert "[!CAUTION]" in plan_summary.as_markdown(summary)
    with pytest.raises(PipelineError, match=f"{kind}.main"):
        plan_summary.require_acknowledgement(summary, [])
    plan_summary.require_acknowledgement(summary, [f"{kind}.main"])


def test_an_acknowledgement_is_for_one_resource_only() -> None:
    summary = plan_summary.summarise(
        plan(change("aws_lb.main", ["delete"]), change("aws_db_instance.main", ["delete"])), "x"
    )
    with pytest.raises(PipelineError, match=r"aws_db_instance\.main") as caught:
        plan_summary.require_acknowledgement(summary, ["aws_lb.main"])
    assert "--acknowledge 'aws_db_instance.main'" in caught.value.next_step


def test_a_resource_whose_creation_failed_is_made_anew_without_ado() -> None:
    failed = change(
        "aws_db_instance.main", ["delete", "create"], {}, {}, reason="replace_because_tainted"
    )
    summary = plan_summary.summarise(plan(failed), "local")
    assert summary.dangerous == ()
    assert "its creation had failed" in plan_summary.as_text(summary)


@pytest.mark.parametrize("reason", [None, "replace_because_tainted"])
def test_what_is_protected_is_refused_before_anything_is_changed(reason: str | None) -> None:
    document = plan(
        change("aws_db_instance.main", ["delete"], {"deletion_protection": True}, reason=reason),
        change(
            "aws_lb.main",
            ["delete", "create"],
            {"enable_deletion_protection": True},
            {"enable_deletion_protection": False},
            reason=reason,
        ),
        change("aws_db_instance.open", ["delete"], {"deletion_protection": False}),
        change(
            "aws_lb.kept",
            ["update"],
            {"enable_deletion_protection": True},
            {"enable_deletion_protection": False},
        ),
    )
    summary = plan_summary.summarise(document, "staging")
    addresses = ["aws_db_instance.main", "aws_lb.main", "aws_db_instance.open"]
    with pytest.raises(
        PipelineError, match=r"would delete aws_db_instance.main, aws_lb.main, which"
    ):
        plan_summary.require_acknowledgement(summary, addresses)
    assert "destroy aws_db_instance.main (it is protected" in plan_summary.as_text(summary)


def test_a_changed_image_is_one_line_of_a_long_document() -> None:
    def definition(digest: str) -> dict[str, Any]:
        containers = [
            {"name": "migrate", "image": "r@same"},
            {
                "name": "app",
                "image": f"r@sha256:{digest}",
                "environment": [{"name": "A", "value": "1"}],
            },
        ]
        return {"container_definitions": json.dumps(containers)}

    summary = plan_summary.summarise(
        plan(
            change(
                "aws_ecs_task_definition.x",
                ["delete", "create"],
                definition("1111"),
                definition("2222"),
            )
        ),
        "local",
    )
    (line,) = [line for line in plan_summary.as_text(summary).splitlines() if "sha256" in line]
    assert line.strip() == 'container_definitions.app.image: "r@sha256:1111" -> "r@sha256:2222"'


def test_what_terraform_calls_sensitive_is_hidden() -> None:
    summary = plan_summary.summarise(
        plan(
            change(
                "aws_x.y",
                ["update"],
                {"value": "old"},
                {"value": "new"},
                after_sensitive={"value": True},
            )
        ),
        "local",
    )
    assert "old" not in plan_summary.as_text(summary)
    assert "new" not in plan_summary.as_text(summary)
    assert "value: (hidden) -> (hidden)" in plan_summary.as_text(summary)


@pytest.mark.parametrize(
    "after",
    [
        {"password": "hunter2"},
        {"secret_string": "hunter2"},
        {"environment": {"API_TOKEN": "hunter2"}},
        {"url": "postgresql://shop:hunter2@host/db"},
        {"definition": json.dumps({"environment": {"DB_PASSWORD": "hunter2"}})},
    ],
)
def test_what_is_named_like_a_secret_is_hidden(after: dict[str, Any]) -> None:
    before = dict.fromkeys(after, "{}" if "definition" in after else None)
    summary = plan_summary.summarise(plan(change("aws_x.y", ["update"], before, after)), "local")
    assert summary.changes[0].attributes
    assert "hunter2" not in plan_summary.as_text(summary) + plan_summary.as_markdown(summary)


def test_a_variable_named_like_a_secret_hides_its_value() -> None:
    def definition(value: str) -> dict[str, str]:
        environment = [{"name": "API_TOKEN", "value": value}, {"name": "A", "value": value[:1]}]
        return {"definition": json.dumps([{"name": "app", "environment": environment}])}

    changed = change("aws_x.y", ["update"], definition("hunter2"), definition("summer3"))
    text = plan_summary.as_text(plan_summary.summarise(plan(changed), "local"))
    assert "definition.app.environment.API_TOKEN.value: (hidden) -> (hidden)" in text
    assert 'definition.app.environment.A.value: "h" -> "s"' in text


def test_nothing_leaves_its_block() -> None:
    evil = "```\n# owned\n@everyone \u202e"
    summary = plan_summary.summarise(
        plan(change("aws_x.y", ["update"], {"a": "x"}, {"a": evil})), "local"
    )
    text = plan_summary.as_markdown(summary)
    fence = next(line for line in text.splitlines() if line.endswith("diff")).removesuffix("diff")
    body = text.split(f"{fence}diff\n")[1].split(f"\n{fence}")[0]
    assert "owned" in body
    assert len(fence) > 3
    assert text.count(fence) == 2
    assert not any(line.startswith("#") for line in body.splitlines())
    assert "\u202e" not in text


def test_a_long_plan_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://example.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    many = [change(f"aws_subnet.number_{number:05}", ["create"]) for number in range(5000)]
    summary = plan_summary.summarise(plan(*many), "local")
    text = plan_summary.as_markdown(summary, extra="the cost")
    assert len(text) <= plan_summary.LIMIT
    assert "in [the run](https://example.com/owner/name/actions/runs/7)" in text
    assert text.rstrip().endswith("the cost")


@pytest.mark.parametrize("limit", [1000, 5000, 20_000])
def test_any_limit_is_kept(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_summary, "LIMIT", limit)
    many = [change(f"aws_subnet.number_{number:05}", ["create"]) for number in range(2000)]
    summary = plan_summary.summarise(plan(*many), "local")
    assert len(plan_summary.as_markdown(summary)) <= limit


def test_who_may_assume_a_role_is_not_changed_in_silence() -> None:
    trust = [{"assume_role_policy": f'{{"sub": "repo:{name}:*"}}'} for name in ("acme/x", "evil/x")]
    summary = plan_summary.summarise(plan(change("aws_iam_role.apply", ["update"], *trust)), "x")
    assert "lost would be the trust" in plan_summary.as_text(summary)
    with pytest.raises(PipelineError, match=r"update aws_iam_role\.apply: lost would be the trust"):
        plan_summary.require_acknowledgement(summary, [])
    plan_summary.require_acknowledgement(summary, ["aws_iam_role.apply"])
    tags = [{"tags": {"owner": name}} for name in ("acme", "evil")]
    other = plan_summary.summarise(plan(change("aws_iam_role.apply", ["update"], *tags)), "x")
    plan_summary.require_acknowledgement(other, [])
