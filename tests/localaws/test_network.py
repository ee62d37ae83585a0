"""What EC2 shows of a network is what was asked for, so that Terraform can import it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.conftest import World

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def ec2(world: World) -> Any:
    return world.client("ec2")


def test_a_nat_gateway_shows_its_address(ec2: Any, world: World) -> None:
    address = ec2.allocate_address(Domain="vpc")
    made = ec2.create_nat_gateway(
        SubnetId=world.subnets[0], AllocationId=address["AllocationId"], ConnectivityType="public"
    )["NatGateway"]
    found = ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"]
    (shown,) = found[0]["NatGatewayAddresses"]
    assert shown["AllocationId"] == address["AllocationId"]
    assert shown["PublicIp"] == address["PublicIp"]
    assert shown["IsPrimary"] is True
    ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayId"])
    ec2.release_address(AllocationId=address["AllocationId"])


def test_a_gateway_endpoint_has_one_policy_beside_its_route_tables(world: World) -> None:
    ec2 = world.client("ec2")
    bodies: list[bytes] = []
    # Terraform reads strictly what boto3 reads past.
    ec2.meta.events.register(
        "before-parse.ec2.DescribeVpcEndpoints",
        lambda response_dict, **_: bodies.append(response_dict["body"]),
    )
    table = ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"]
    made = ec2.create_vpc_endpoint(
        VpcId=world.vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[table],
    )["VpcEndpoint"]["VpcEndpointId"]
    (endpoint,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"]
    assert endpoint["RouteTableIds"] == [table]
    assert bodies[0].count(b"<policyDocument>") == 1


def test_a_load_balancer_of_the_internet_needs_a_gateway_to_it(ec2: Any, world: World) -> None:
    elb = world.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(ClientError, match=f"VPC {vpc} has no internet gateway"):
        elb.create_load_balancer(Name="stranded", Subnets=[subnet])
    made = elb.create_load_balancer(Name="inner", Subnets=[subnet], Scheme="internal")
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"])


def test_a_target_group_in_use_by_a_listener_stays(ec2: Any, world: World) -> None:
    elb = world.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.2.1.0/24")["Subnet"]["SubnetId"]
    groups = [
        elb.create_target_group(Name=name, Port=80, Protocol="HTTP", TargetType="ip", VpcId=vpc)[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for name in ("first", "second")
    ]
    balancer = elb.create_load_balancer(Name="inner", Subnets=[subnet], Scheme="internal")
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group} for group in groups]
    listener = elb.create_listener(
        LoadBalancerArn=arn, Port=9080, Protocol="HTTP", DefaultActions=forward[:1]
    )["Listeners"][0]["ListenerArn"]
    condition = [{"Field": "path-pattern", "Values": ["/x"]}]
    rule = elb.create_rule(
        ListenerArn=listener, Priority=1, Conditions=condition, Actions=forward[1:]
    )["Rules"][0]["RuleArn"]
    for group in groups:
        with pytest.raises(ClientError, match="currently in use by a listener or a rule"):
            elb.delete_target_group(TargetGroupArn=group)
    elb.delete_rule(RuleArn=rule)
    elb.delete_target_group(TargetGroupArn=groups[1])
    elb.delete_load_balancer(LoadBalancerArn=arn)  # and its listener
    elb.delete_target_group(TargetGroupArn=groups[0])


def test_a_subnet_has_a_range_of_its_own_in_its_vpc(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.3.1.0/24")["Subnet"]["SubnetId"]
    for taken in ("10.3.1.0/24", "10.3.0.0/23", "10.3.1.128/25"):
        with pytest.raises(ClientError, match=r"InvalidSubnet\.Conflict"):
            ec2.create_subnet(VpcId=vpc, CidrBlock=taken)
    with pytest.raises(ClientError, match=r"InvalidSubnet\.Range"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.4.1.0/24")
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.3.2.0/24")
    ec2.delete_subnet(SubnetId=made)
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.3.1.0/24")
