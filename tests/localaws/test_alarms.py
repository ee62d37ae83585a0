"""Alarms: evaluated as CloudWatch does, by the load balancers' figures, and what ECS's deployments make of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localaws.cloudwatch import evaluation

from pipeline.aws import ecs as services
from pipeline.aws import localaws
from pipeline.benchmarks import load
from tests.localaws.cluster import Service
from tests.localaws.conftest import World, until

RATE = 10
ALARM = {"Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "StateValue": "OK"}
NAMES = [f"alarmed-{name}" for name in ("errors", "unanswered", "latency")]
PERCENT = "100 * watched / requests"
#: As infra/terraform/modules/deployment-alarms has it.
UNANSWERED = (
    "IF((FILL(requests, 0) + watched) >= 20, 100 * watched / (FILL(requests, 0) + watched), 0)"
)
NO_DATA: dict[str, float | None] = {"requests": 100.0, "watched": None}


@pytest.mark.parametrize(
    ("expression", "metrics", "value"),
    [
        ("100 * watched / requests", {"watched": 20.0, "requests": 100.0}, 20.0),
        (
            "IF(requests >= 20, 100 * watched / requests, 0)",
            {"watched": 9.0, "requests": 19.0},
            0.0,
        ),
        ("IF(requests >= 20, watched, 0)", NO_DATA, None),
        ("IF(requests >= 20, FILL(watched, 0), 7)", NO_DATA, 0.0),
        ("watched / requests", {"watched": 1.0, "requests": 0.0}, None),
        (UNANSWERED, {"watched": 30.0, "requests": None}, 100.0),
        (UNANSWERED, {"watched": 2.0, "requests": 38.0}, 5.0),
        (UNANSWERED, {"watched": 2.0, "requests": 17.0}, 0.0),
        (UNANSWERED, {"watched": None, "requests": 38.0}, None),
    ],
)
def test_metric_math(
    expression: str, metrics: dict[str, float | None], value: float | None
) -> None:
    assert evaluation.compute(expression, metrics.__getitem__) == value


@pytest.mark.parametrize("expression", ["RATE(watched)", "watched ** 2", "watched.real", "1 +"])
def test_an_expression_that_is_not_emulated_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="is not emulated"):
        evaluation.compute(expression, lambda _: 1.0)


@pytest.mark.parametrize(
    ("settings", "values", "state"),
    [
        ({}, [6.0], "ALARM"),
        ({}, [5.0], "OK"),
        ({}, [6.0, 5.0], "OK"),
        ({}, [6.0, 6.0], "ALARM"),
        ({"DatapointsToAlarm": 1}, [6.0, 5.0], "ALARM"),
        ({}, [None], "INSUFFICIENT_DATA"),
        ({"TreatMissingData": "notBreaching"}, [None], "OK"),
        ({"TreatMissingData": "breaching"}, [None], "ALARM"),
        ({"TreatMissingData": "ignore", "StateValue": "ALARM"}, [None], "ALARM"),
        ({"TreatMissingData": "notBreaching"}, [6.0, None], "OK"),
        ({"ComparisonOperator": "LessThanThreshold"}, [4.0], "ALARM"),
    ],
)
def test_the_state_of_an_alarm(
    settings: dict[str, Any], values: list[float | None], state: str
) -> None:
    periods = {60 * number: value for number, value in enumerate(values)}
    assert evaluation.judge({**ALARM, **settings}, periods)[0] == state


def test_the_reason_has_the_figures() -> None:
    reason = evaluation.judge({**ALARM}, {1795759200: 20.0})[1]
    assert "1 out of the last 1 datapoints [20.0 (27/11/26 06:00:00)] was greater than" in reason
    assert "the threshold (5.0)" in reason


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[Service]:
    made = Service(world, "alarmed")
    made.create()
    own = [{"Name": "LoadBalancer", "Value": made.balancer.partition(":loadbalancer/")[2]}]
    of_group = [*own, {"Name": "TargetGroup", "Value": made.group.rpartition(":")[2]}]
    some = "IF(requests >= 20, {}, 0)"
    for name, metric, stat, expression, limit, dimensions in (
        ("errors", "HTTPCode_Target_5XX_Count", "Sum", some.format(PERCENT), 5, of_group),
        ("unanswered", "HTTPCode_ELB_5XX_Count", "Sum", UNANSWERED, 5, own),
        ("latency", "TargetResponseTime", "p90", some.format("watched"), 1, of_group),
    ):
        world.client("cloudwatch").put_metric_alarm(
            AlarmName=f"alarmed-{name}",
            Threshold=limit,
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            TreatMissingData="notBreaching",
            Metrics=[
                {
                    "Id": "value",
                    "Expression": expression,
                    "ReturnData": True,
                },
                query("requests", "RequestCount", "Sum", of_group),
                query("watched", metric, stat, dimensions),
            ],
        )
    world.client("ecs").update_service(
        cluster=made.name,
        service=made.name,
        deploymentConfiguration={
            "alarms": {
                "alarmNames": NAMES,
                "enable": True,
                "rollback": True,
            },
        },
    )
    yield made
    made.delete()
    world.client("cloudwatch").delete_alarms(AlarmNames=NAMES)


def query(
    identity: str, metric: str, stat: str, dimensions: list[dict[str, str]]
) -> dict[str, Any]:
    """A metric of the load balancer, by the minute."""
    named = {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions}
    stated = {"Metric": named, "Period": 60, "Stat": stat}
    return {"Id": identity, "MetricStat": stated, "ReturnData": False}


def second() -> datetime:
    """Now, as exact as the local AWS tells a deployment's begin."""
    return datetime.now(UTC).replace(microsecond=0)


def alarms_in(service: Service, state: str) -> int:
    """How many of the service's alarms are in a state."""
    found = service.world.client("cloudwatch").describe_alarms(StateValue=state)["MetricAlarms"]
    return sum(alarm["AlarmName"].startswith("alarmed-") for alarm in found)


@pytest.mark.engine
def test_a_metric_math_alarm_comes_back_as_it_was_given(service: Service) -> None:
    found = service.world.client("cloudwatch").describe_alarms(AlarmNames=["alarmed-latency"])
    alarm = found["MetricAlarms"][0]
    assert [each["Id"] for each in alarm["Metrics"]] == ["value", "requests", "watched"]
    dimensions = alarm["Metrics"][1]["MetricStat"]["Metric"]["Dimensions"]
    assert [each["Name"] for each in dimensions] == ["LoadBalancer", "TargetGroup"]
    assert alarm["Metrics"][2] == query("watched", "TargetResponseTime", "p90", dimensions)
    assert not {"MetricName", "Period", "Statistic"} & {
        key for key, value in alarm.items() if value
    }


@pytest.mark.engine
def test_what_an_update_does_not_name_of_a_deployment_s_configuration_stays(
    service: Service,
) -> None:
    """As Terraform updates a service: it names what has changed, and nothing else."""
    before = service.describe()["deploymentConfiguration"]
    assert before["alarms"]["enable"]
    assert before["maximumPercent"] == 200
    service.world.client("ecs").update_service(
        cluster=service.name,
        service=service.name,
        deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 200},
    )
    after = service.describe()["deploymentConfiguration"]
    assert after == before | {"minimumHealthyPercent": 50}


@pytest.mark.engine
def test_alarms_need_ecs_s_own_deployments(service: Service) -> None:
    with pytest.raises(ClientError, match="only supported with ECS deployment controller"):
        service.world.client("ecs").create_service(
            cluster=service.name,
            serviceName="other",
            taskDefinition=service.describe()["taskDefinition"],
            deploymentController={"type": "EXTERNAL"},
            deploymentConfiguration={
                "alarms": {"alarmNames": ["alarmed-errors"], "enable": True, "rollback": True}
            },
        )


@pytest.mark.engine
@pytest.mark.long
def test_healthy_and_unhealthy_targets_are_metrics_of_their_group(service: Service) -> None:
    """An alarm for a service without any task rests on them."""
    cloudwatch = service.world.client("cloudwatch")
    alarm = cloudwatch.describe_alarms(AlarmNames=["alarmed-latency"])["MetricAlarms"][0]
    dimensions = alarm["Metrics"][1]["MetricStat"]["Metric"]["Dimensions"]

    def counted(name: str) -> set[float]:
        now = second()
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName=f"{name}HostCount",
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=5),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return {point["Maximum"] for point in points}

    service.wait_steady()
    wanted = service.describe()["desiredCount"]
    until(lambda: wanted in counted("Healthy"), "a minute with all targets", 150)
    assert 0 in counted("UnHealthy")


@pytest.mark.engine
@pytest.mark.long
@pytest.mark.parametrize(
    ("mode", "alarm"), [("faulty", "errors"), ("silent", "unanswered"), ("slower", "latency")]
)
def test_a_healthy_version_that_serves_badly_is_rolled_back(
    service: Service, mode: str, alarm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: alarms_in(service, "OK") == len(NAMES), "alarms that are over")
    good = service.describe()["taskDefinition"]
    bad = service.register(mode)
    with load.constant(localaws.url(), RATE) as sent:
        service.deploy(bad)
        until(lambda: service.describe()["taskDefinition"] == good, "the rollback", 180)
        service.wait_steady()
    with capsys.disabled():
        slow = sum(seconds > 1 for seconds in sent.seconds)
        print(f"\n{mode}: {len(sent.failures)} failed and {slow} slow of {sent.sent} requests")
    assert "deployment failed: alarm detected." in service.events()
    assert "rolling back to deployment" in service.events()
    clients = service.world.client("ecs"), service.world.client("cloudwatch")
    (told,) = services.alarmed(*clients, service.name, service.name)
    assert told.startswith(f"alarm alarmed-{alarm}: Threshold Crossed: 1 out of the last 1")


@pytest.mark.engine
@pytest.mark.long
def test_a_good_version_is_complete_once_it_has_baked(service: Service) -> None:
    until(lambda: alarms_in(service, "OK") == len(NAMES), "alarms that are over")
    with load.constant(localaws.url(), RATE) as sent:
        began = second()
        service.deploy(service.register())
        until(lambda: len(service.describe()["deployments"]) == 2, "the new deployment")
        until(lambda: service.describe()["deployments"][0]["runningCount"] == 2, "its tasks")
        baking = service.describe()["deployments"]
        assert [each["rolloutState"] for each in baking] == ["IN_PROGRESS", "COMPLETED"]
        until(lambda: service.describe()["deployments"][-1]["runningCount"] == 0, "the drain")
        until(lambda: len(service.describe()["deployments"]) == 1, "the end of the bake", 180)
        service.wait_steady()
    assert sent.failures == []
    client = service.world.client("ecs")
    assert not services.unwatched(client, service.name, service.name, since=began)
    brief = service.world.client("ecs").list_service_deployments(
        cluster=service.name, service=service.name
    )["serviceDeployments"][0]
    found = service.world.client("ecs").describe_service_deployments(
        serviceDeploymentArns=[brief["serviceDeploymentArn"]]
    )["serviceDeployments"][0]
    assert (found["status"], found["alarms"]["status"]) == ("SUCCESSFUL", "MONITORING_COMPLETE")


@pytest.mark.engine
@pytest.mark.long
def test_an_alarm_that_has_gone_off_before_is_ignored(service: Service) -> None:
    """As ECS does: it could not tell whose figures these are."""
    cloudwatch = service.world.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName="alarmed-errors", StateValue="ALARM", StateReason="a test")
    wanted, began = service.register(), second()
    service.deploy(wanted)
    assert service.wait_steady()["taskDefinition"] == wanted
    client = service.world.client("ecs")
    assert services.unwatched(client, service.name, service.name, since=began)
    assert not services.unwatched(
        client, service.name, service.name, since=second() + timedelta(hours=1)
    )
    history = cloudwatch.describe_alarm_history(AlarmName="alarmed-errors")["AlarmHistoryItems"]
    assert "a test" in json.dumps([item["HistoryData"] for item in history])
