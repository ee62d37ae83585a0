"""What EC2 shows of a network is what was asked for, so that Terraform can import it."""

from typing import Any

import pytest

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
