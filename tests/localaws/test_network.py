"""What EC2 shows of a network is what was asked for, so that Terraform can import it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.core.paths import TERRAFORM
from tests.localaws.conftest import World

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def ec2(world: World) -> Any:
    return world.client("ec2")


#: A network, with what stands for the tasks and the load balancer in it.
ROOT_MODULE = """
variable "zones" { type = string }
variable "egress" { type = string }
module "network" {
  source       = "%(modules)s/network"
  name         = "narrowed"
  account_id   = "123456789012"
  region       = "us-east-1"
  kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/1"
  flow_log     = false
  cidr         = "10.9.0.0/16"
  zones        = split("", var.zones)
  egress       = var.egress
  nat_per_zone = var.egress == "nat"
}
resource "aws_security_group" "tasks" {
  vpc_id = module.network.vpc_id
}
module "endpoints" {
  source                 = "%(modules)s/endpoints"
  count                  = var.egress == "endpoints" ? 1 : 0
  name                   = "narrowed"
  region                 = "us-east-1"
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.private_subnet_ids
  task_security_group_id = aws_security_group.tasks.id
}
resource "terraform_data" "tasks" {
  input = concat(module.network.task_subnet_ids, flatten([for each in module.endpoints : values(each.endpoint_ids)]))
}
resource "terraform_data" "balancer" {
  input = module.network.public_subnet_ids
}
"""


def test_what_is_used_goes_after_its_user_has_left(
    terraform: Callable[..., str], tmp_path: Path
) -> None:
    modules = {"modules": str(TERRAFORM / "modules")}
    (tmp_path / "main.tf").write_text(ROOT_MODULE % modules, "utf-8")
    terraform("init", "-lockfile=readonly")

    def apply(zones: str, egress: str, command: str = "apply") -> str:
        return terraform(command, "-auto-approve", f"-var=zones={zones}", f"-var=egress={egress}")

    def require_order(said: str, user: str, used: str) -> None:
        """The user was changed before anything began to go whose address is the other's."""
        gone = re.search(rf"^\S*\.{re.escape(used)}.*: Destroying\.\.\.", said, re.M)
        assert gone
        assert said.index(f"terraform_data.{user}: Modifications complete") < gone.start(), used

    apply("abc", "nat")
    narrowed = apply("ab", "nat")
    for kind in ("subnet", "route_table_association"):
        require_order(narrowed, "tasks", f'aws_{kind}.private["us-east-1c"]')
        require_order(narrowed, "balancer", f'aws_{kind}.public["us-east-1c"]')

    # As where its creation was interrupted.
    terraform("taint", 'module.network.aws_nat_gateway.main["us-east-1a"]')
    assert "Apply complete" in apply("ab", "nat")

    apply("ab", "endpoints")
    opened = apply("ab", "public")
    require_order(opened, "tasks", "aws_vpc_endpoint.s3")
    require_order(opened, "tasks", "aws_vpc_endpoint.interface")
    require_order(opened, "tasks", "aws_vpc_security_group_ingress_rule.tasks")
    apply("ab", "public", "destroy")


def test_an_address_serves_one_nat_gateway(ec2: Any, world: World) -> None:
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]

    def make() -> str:
        made = ec2.create_nat_gateway(SubnetId=world.subnets[0], AllocationId=address)
        return str(made["NatGateway"]["NatGatewayId"])

    first, second = make(), make()
    found = ec2.describe_nat_gateways(NatGatewayIds=[second])["NatGateways"][0]
    assert (found["State"], found["FailureCode"]) == ("failed", "Resource.AlreadyAssociated")
    ec2.delete_nat_gateway(NatGatewayId=first)
    third = make()
    assert (
        ec2.describe_nat_gateways(NatGatewayIds=[third])["NatGateways"][0]["State"] == "available"
    )
    for gateway in (second, third):
        ec2.delete_nat_gateway(NatGatewayId=gateway)
    ec2.release_address(AllocationId=address)


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
