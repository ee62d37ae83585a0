"""What Elastic Load Balancing refuses and ministack takes: a VPC without a gateway, a target group that is in use.
Follows https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteTargetGroup.html
"""

import json
from typing import Any

from localaws import emulator
from localaws.emulator import alb, ec2


def install() -> None:
    emulator.wrap(alb, "_create_lb", _create_balancer)
    emulator.wrap(alb, "_delete_tg", _delete_group)


def _create_balancer(original: Any, params: Any) -> Any:
    """CreateLoadBalancer: one that faces the internet needs an internet gateway in its subnets' VPC."""
    subnets = [ec2._subnets.get(each) or {} for each in alb._parse_member_list(params, "Subnets")]
    attached = {
        attachment["VpcId"]
        for gateway in ec2._internet_gateways.values()
        for attachment in gateway.get("Attachments") or []
    }
    without = {subnet["VpcId"] for subnet in subnets if "VpcId" in subnet} - attached
    if without and alb._p(params, "Scheme", "internet-facing") == "internet-facing":
        return alb._error("InvalidSubnet", f"VPC {min(without)} has no internet gateway")
    return original(params)


def _delete_group(original: Any, params: Any) -> Any:
    """DeleteTargetGroup: not while a listener, which goes with its load balancer, or one of its rules names it."""
    arn = alb._p(params, "TargetGroupArn")
    listeners = {
        each["ListenerArn"]: each
        for each in alb._listeners.values()
        if each["LoadBalancerArn"] in alb._lbs
    }
    actions = [each.get("DefaultActions") for each in listeners.values()]
    rules = (each for each in alb._rules.values() if each.get("ListenerArn") in listeners)
    actions += [each.get("Actions") for each in rules]
    if arn and f'"{arn}"' in json.dumps(actions):
        message = f"Target group '{arn}' is currently in use by a listener or a rule"
        return alb._error("ResourceInUse", message, 400)
    return original(params)
