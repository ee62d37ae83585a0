"""Drift: what was changed by hand is named, and told apart from what was only not applied yet."""

from typing import Any

from pipeline.terraform import drift


def plan(
    changes: list[dict[str, Any]],
    outside: list[dict[str, Any]],
    resources: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    state = {"values": {"root_module": {"child_modules": [{"resources": resources or []}]}}}
    return {"resource_changes": changes, "resource_drift": outside, "prior_state": state}


def one(address: str, actions: list[str], before: Any = None, after: Any = None) -> dict[str, Any]:
    return {
        "address": address,
        "type": address.partition(".")[0],
        "mode": "managed",
        "change": {"actions": actions, "before": before, "after": after},
    }


def managed(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"address": f"module.x.{kind}.main", "type": kind, "mode": "managed", "values": values}


def entry(**more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "cidr_blocks": [],
        "ipv6_cidr_blocks": [],
        "security_groups": [],
        "prefix_list_ids": [],
    }
    return {**empty, "protocol": "tcp", "from_port": 0, "to_port": 0, "self": False, **more}


def test_no_difference() -> None:
    assert drift.differences(plan([one("aws_x.y", ["no-op"])], [])) == []


def test_a_change_by_hand_names_resource_and_attribute() -> None:
    (found,) = drift.differences(
        plan(
            [one("aws_x.y", ["update"], {"days": 1}, {"days": 7})],
            [one("aws_x.y", ["update"], {"days": 7}, {"days": 1})],
        )
    )
    assert found == "aws_x.y: changed by hand, in days"


def test_what_is_gone_is_said() -> None:
    (found,) = drift.differences(plan([one("aws_x.y", ["create"])], [one("aws_x.y", ["delete"])]))
    assert found == "aws_x.y: changed by hand, it is gone"


def test_what_was_not_applied_is_no_work_of_hands() -> None:
    (found,) = drift.differences(plan([one("aws_x.y", ["update"], {"days": 1}, {"days": 7})], []))
    assert found == "aws_x.y: not applied yet, in days"


def test_a_change_that_the_configuration_leaves_to_others_is_none() -> None:
    scaled = one("aws_ecs_service.scaled", ["update"], {"desired_count": 2}, {"desired_count": 4})
    assert drift.differences(plan([one("aws_ecs_service.scaled", ["no-op"])], [scaled])) == []


def test_changes_by_hand_come_first() -> None:
    changes = [one("aws_a.a", ["create"]), one("aws_z.z", ["update"], {"a": 1}, {"a": 2})]
    found = drift.differences(plan(changes, [one("aws_z.z", ["update"], {"a": 2}, {"a": 1})]))
    assert ["changed by hand" in difference for difference in found] == [True, False]


def test_a_rule_that_nobody_asked_for_is_found() -> None:
    group = managed(
        "aws_security_group",
        {
            "id": "sg-1",
            "ingress": [
                entry(from_port=5000, to_port=5000, security_groups=["sg-2"]),
                entry(from_port=22, to_port=22, cidr_blocks=["0.0.0.0/0"]),
            ],
            "egress": [],
        },
    )
    ours = managed(
        "aws_vpc_security_group_ingress_rule",
        {
            "security_group_id": "sg-1",
            "ip_protocol": "tcp",
            "from_port": 5000,
            "to_port": 5000,
            "referenced_security_group_id": "sg-2",
        },
    )
    (found,) = drift.differences(plan([], [], [group, ours]))
    assert found == (
        "module.x.aws_security_group.main: changed by hand, it has a rule that is not in Git: ingress tcp 22, 0.0.0.0/0"
    )


def test_a_rule_for_everything_is_found() -> None:
    values = {
        "id": "sg-1",
        "ingress": [],
        "egress": [entry(protocol="-1", cidr_blocks=["0.0.0.0/0"])],
    }
    (found,) = drift.differences(plan([], [], [managed("aws_security_group", values)]))
    assert "egress all ports, 0.0.0.0/0" in found


def test_the_own_rule_for_everything_is_known() -> None:
    values = {
        "id": "sg-1",
        "ingress": [],
        "egress": [entry(protocol="-1", cidr_blocks=["0.0.0.0/0"])],
    }
    rule = {
        "security_group_id": "sg-1",
        "ip_protocol": "-1",
        "from_port": None,
        "to_port": None,
        "cidr_ipv4": "0.0.0.0/0",
    }
    resources = [
        managed("aws_security_group", values),
        managed("aws_vpc_security_group_egress_rule", rule),
    ]
    assert drift.differences(plan([], [], resources)) == []
