"""Application Auto Scaling as Terraform uses it: targets and policies of services that exist, and their tags."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.conftest import World

pytestmark = pytest.mark.engine

NAME = "scaled"
RESOURCE = f"service/{NAME}/{NAME}"
TARGET: dict[str, Any] = {
    "ServiceNamespace": "ecs",
    "ResourceId": RESOURCE,
    "ScalableDimension": "ecs:service:DesiredCount",
}
CPU = {
    "TargetValue": 60.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
}


def test_targets_and_policies_of_a_service_are_kept_and_removed(running: None) -> None:
    empty = World("", "", [])
    ecs, scaling = empty.client("ecs"), empty.client("application-autoscaling")
    with pytest.raises(ClientError, match="ECS service doesn't exist"):
        scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=2)
    ecs.create_cluster(clusterName=NAME)
    definition = [{"name": "app", "image": "none", "memory": 64}]
    ecs.register_task_definition(family=NAME, containerDefinitions=definition)
    ecs.create_service(cluster=NAME, serviceName=NAME, taskDefinition=NAME, desiredCount=0)
    with pytest.raises(ClientError, match="ObjectNotFoundException"):
        scaling.put_scaling_policy(**TARGET, PolicyName="cpu")
    arn = scaling.register_scalable_target(
        **TARGET, MinCapacity=1, MaxCapacity=2, Tags={"a": "b", "c": "d"}
    )["ScalableTargetARN"]
    again = scaling.register_scalable_target(**TARGET, MaxCapacity=5)
    assert again["ScalableTargetARN"] == arn
    [target] = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[RESOURCE])[
        "ScalableTargets"
    ]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 5)
    scaling.tag_resource(ResourceARN=arn, Tags={"e": "f"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"c": "d", "e": "f"}
    for name in ("cpu", "requests"):
        scaling.put_scaling_policy(
            **TARGET,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=CPU,
        )
    [policy] = scaling.describe_scaling_policies(
        ServiceNamespace="ecs", ResourceId=RESOURCE, PolicyNames=["cpu"]
    )["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == CPU
    scaling.delete_scaling_policy(**TARGET, PolicyName="cpu")
    with pytest.raises(ClientError, match="ObjectNotFoundException"):
        scaling.delete_scaling_policy(**TARGET, PolicyName="cpu")
    scaling.deregister_scalable_target(**TARGET)
    left = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert [each for each in left if each["ResourceId"] == RESOURCE] == []
    ecs.delete_service(cluster=NAME, service=NAME, force=True)
