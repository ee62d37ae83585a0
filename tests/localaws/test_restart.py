"""The server may go: what was made stays, and comes back with it."""

import pytest

from pipeline.aws import localaws
from tests.localaws.cluster import Service
from tests.localaws.conftest import World, until

pytestmark = pytest.mark.engine

ALARM = "kept"
RESOURCE = "service/returning/returning"


def test_state_and_services_come_back(world: World) -> None:
    service = Service(world, "returning")
    service.create()
    scaling, alarms = world.client("application-autoscaling"), world.client("cloudwatch")
    target = scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=RESOURCE,
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=4,
        Tags={"Name": ALARM},
    )["ScalableTargetARN"]
    alarms.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=80,
        ComparisonOperator="GreaterThanThreshold",
    )
    before = localaws.status()["pid"]
    localaws.stop()
    localaws.start()
    assert localaws.status()["pid"] != before
    try:
        until(lambda: sorted(service.health().values()) == ["healthy"] * 2, "both replicas")
        service.wait_steady()
        assert scaling.list_tags_for_resource(ResourceARN=target)["Tags"] == {"Name": ALARM}
        found = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[RESOURCE])[
            "ScalableTargets"
        ]
        assert [(one["ResourceId"], one["MaxCapacity"]) for one in found] == [(RESOURCE, 4)]
        kept = alarms.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
        assert [one["AlarmName"] for one in kept] == [ALARM]
    finally:
        service.delete()


def test_starting_again_uses_what_runs(running: None) -> None:
    before = localaws.status()["pid"]
    localaws.start()
    assert localaws.status()["pid"] == before
