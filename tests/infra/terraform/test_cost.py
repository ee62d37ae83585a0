"""The monthly cost: every priced thing has its line, and nothing is left out silently."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.core.errors import PipelineError
from pipeline.core.paths import TERRAFORM
from pipeline.terraform import cost


def document(*resources: tuple[str, dict[str, Any]], before: bool = False) -> dict[str, Any]:
    listed = [
        {"type": kind, "mode": "managed", "address": f"{kind}.x{number}", "values": values}
        for number, (kind, values) in enumerate(resources)
    ]
    nested = {"root_module": {"child_modules": [{"resources": listed}]}}
    return {"planned_values": nested, **({"prior_state": {"values": nested}} if before else {})}


def line(estimate: cost.Estimate, item: str) -> cost.Line:
    (found,) = [one for one in estimate.lines if one.item == item]
    return found


TASK = ("aws_ecs_task_definition", {"family": "x", "cpu": "256", "memory": "512"})


def test_two_tasks_of_the_design_cost_18_dollars() -> None:
    estimate = cost.estimate(document(TASK, ("aws_ecs_service", {"desired_count": 2})))
    assert line(estimate, "Fargate").monthly == pytest.approx(18.02, abs=0.01)
    assert line(estimate, "Fargate").quantity == "2 x 0.25 vCPU, 0.5 GB"


def test_a_balancer_costs_hours_use_and_addresses() -> None:
    subnets: list[tuple[str, dict[str, Any]]] = [("aws_subnet", {}) for _ in range(4)]
    estimate = cost.estimate(document(("aws_lb", {}), *subnets))
    assert line(estimate, "load balancer").monthly == pytest.approx(16.43, abs=0.01)
    assert line(estimate, "load balancer, use").assumed
    assert line(estimate, "public IPv4, load balancer").monthly == pytest.approx(7.3)


def test_each_nat_gateway_counts_with_its_address() -> None:
    gateways: list[tuple[str, dict[str, Any]]] = [
        ("aws_nat_gateway", {}),
        ("aws_nat_gateway", {}),
        ("aws_eip", {}),
        ("aws_eip", {}),
    ]
    estimate = cost.estimate(document(*gateways))
    assert line(estimate, "NAT gateway").monthly == pytest.approx(65.7)
    assert line(estimate, "public IPv4, NAT").monthly == pytest.approx(7.3)


def test_a_standby_costs_the_database_twice() -> None:
    values = {"instance_class": "db.t4g.small", "allocated_storage": 50, "multi_az": True}
    estimate = cost.estimate(document(("aws_db_instance", values)))
    assert line(estimate, "RDS db.t4g.small").monthly == pytest.approx(46.72)
    assert line(estimate, "RDS storage").monthly == pytest.approx(11.5)


def test_an_unknown_class_of_database_is_said() -> None:
    values = {"instance_class": "db.x99.huge", "allocated_storage": 20}
    estimate = cost.estimate(document(("aws_db_instance", values)))
    assert "price unknown" in cost.as_text(estimate)


def test_endpoints_count_by_zone() -> None:
    endpoint = {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}
    gateway = ("aws_vpc_endpoint", {"vpc_endpoint_type": "Gateway"})
    estimate = cost.estimate(document(("aws_vpc_endpoint", endpoint), gateway))
    assert line(estimate, "VPC endpoints").monthly == pytest.approx(14.6)


def test_the_rest_of_an_environment_has_its_lines() -> None:
    estimate = cost.estimate(
        document(
            (
                "aws_db_instance",
                {
                    "instance_class": "db.t4g.micro",
                    "allocated_storage": 20,
                    "manage_master_user_password": True,
                },
            ),
            ("aws_secretsmanager_secret", {}),
            ("aws_kms_key", {}),
            ("aws_cloudwatch_log_group", {}),
            ("aws_flow_log", {}),
            ("aws_cloudwatch_metric_alarm", {}),
            (
                "aws_cloudwatch_metric_alarm",
                {"metric_query": [{"metric": [{}]}] * 2 + [{"metric": []}]},
            ),
            ("aws_ecs_cluster", {"setting": [{"name": "containerInsights", "value": "enabled"}]}),
            ("aws_wafv2_web_acl", {"rule": [{}, {}]}),
            ("aws_s3_bucket", {}),
            ("aws_ecr_repository", {}),
        )
    )
    assert line(estimate, "secrets").monthly == pytest.approx(0.8)
    assert line(estimate, "encryption keys").monthly == pytest.approx(1.0)
    assert line(estimate, "WAF").monthly == pytest.approx(7.0)
    assert line(estimate, "alarms").monthly == pytest.approx(0.3), "an expression's metrics count"
    for item in ("logs", "VPC flow logs", "Container Insights", "S3", "image registry"):
        assert line(estimate, item).monthly > 0
    assert "| S3 | 1 GB | 0.02 \\* |" in cost.as_markdown(estimate)


def test_the_change_is_told_apart_from_the_total() -> None:
    estimate = cost.estimate(document(("aws_kms_key", {}), before=True))
    assert estimate.change == 0
    assert "change" in cost.as_text(estimate)


def test_what_has_no_price_is_said() -> None:
    estimate = cost.estimate(document(("aws_quantum_thing", {})))
    assert estimate.unpriced == ("aws_quantum_thing",)
    headline = cost.as_markdown(estimate).splitlines()[0]
    assert headline == r"**Cost: 0.00 US dollars a month**; NOT priced: aws\_quantum\_thing"


def test_another_region_is_said() -> None:
    assert any("eu-west-1" in note for note in cost.notes(cost.estimate({}, "eu-west-1")))


def test_every_type_that_we_use_is_priced_or_known_to_be_free() -> None:
    used = {
        kind
        for file in TERRAFORM.rglob("*.tf")
        for kind in re.findall(r'^resource "(\w+)"', file.read_text(encoding="utf-8"), re.M)
    }
    assert used - cost.COVERED == set()


def test_the_price_table_is_dated_and_names_its_sources() -> None:
    text = cost.PRICES.read_text(encoding="utf-8")
    assert YAML(typ="safe").load(text)["date"]
    for service in ("fargate", "elasticloadbalancing", "rds", "vpc", "cloudwatch", "waf"):
        assert re.search(rf"https://aws\.amazon\.com/{service}/", text), service


@pytest.mark.parametrize(
    ("budget", "before", "meant", "refused"),
    [
        (10, False, (), True),
        (10, False, ("aws.lb",), True),
        (10, False, (cost.BUDGET,), False),
        (30, False, (), False),
        (0, False, (), False),
        (10, True, (), False),  # the cost stays as it is
    ],
)
def test_a_plan_does_not_raise_the_cost_above_the_budget_unless_that_is_meant(
    budget: int, before: bool, meant: tuple[str, ...], refused: bool
) -> None:
    plan = document(("aws_lb", {}), before=before)
    bill = cost.of_plan(plan, "us-east-1", {"budget_usd": budget} if budget else {})
    lines = cost.as_markdown(bill).splitlines()
    assert ("by this plan" in lines[0]) == (bill.change is not None)
    assert not [line for line in lines if line.startswith("* ")], "a star would begin a list"
    assert (f"| budget (aws.budget_usd) |  | {budget}.00 |" in cost.as_markdown(bill)) == bool(
        budget
    )
    if not refused:
        cost.require_within_budget(bill, "staging", meant)
        return
    with pytest.raises(PipelineError) as caught:
        cost.require_within_budget(bill, "staging", meant)
    assert re.search(r"staging would cost 23\.16 dollars a month, 13\.16 above", caught.value.cause)
    assert "--acknowledge aws.budget_usd" in caught.value.next_step
