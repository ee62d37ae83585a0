"""The resources that a request is about, by the Service Authorization Reference; unknown ones are ``*``, which only a
statement about ``*`` allows."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localaws import emulator
from localaws.emulator import acm, ec2, iam, kms, responses, tagging

#: Parameters that name resources, with the form of the name; a value that is an ARN stands for itself.
_NAMED = {
    "application-autoscaling": {"ResourceARN": "{}"},
    "budgets": {"BudgetName": "budget/{}", "ResourceARN": "{}"},
    "cloudwatch": {"AlarmName": "alarm:{}", "AlarmNames": "alarm:{}", "ResourceARN": "{}"},
    "ecr": {
        "resourceArn": "{}",
        "repositoryName": "repository/{}",
        "repositoryNames": "repository/{}",
    },
    "ecs": {
        "cluster": "cluster/{}",
        "clusters": "cluster/{}",
        "clusterName": "cluster/{}",
        "resourceArn": "{}",
    },
    "elasticloadbalancing": dict.fromkeys(
        ("LoadBalancerArn", "TargetGroupArn", "ListenerArn", "ResourceArns", "ResourceArn"), "{}"
    ),
    "iam": {"RoleName": "role/{}"},
    "kms": {"KeyId": "key/{}", "TargetKeyId": "key/{}", "AliasName": "{}"},
    "rds": {
        "DBInstanceIdentifier": "db:{}",
        "DBParameterGroupName": "pg:{}",
        "DBSubnetGroupName": "subgrp:{}",
        "FinalDBSnapshotIdentifier": "snapshot:{}",
        "DBSnapshotIdentifier": "snapshot:{}",
        "ResourceName": "{}",
    },
    "sns": {"ResourceArn": "{}"},
    "wafv2": {"ResourceARN": "{}", "ResourceArn": "{}", "WebACLArn": "{}"},
}
#: Operations that name one resource by other parameters.
_SINGLE = {
    "CreateLoadBalancer": "loadbalancer/app/{Name}/new",
    "CreateServiceLinkedRole": "role/aws-service-role/{AWSServiceName}/new",
    "DescribeAlarms": "alarm:*",
    "DescribeDBInstances": "db:*",
    "CreateTargetGroup": "targetgroup/{Name}/new",
    "RegisterScalableTarget": "scalable-target/new",
}
#: Services whose ARNs have no region.
_GLOBAL = ("budgets", "iam")
#: The kinds of EC2's resources by what their ids begin with.
_EC2_KINDS = {
    "eipalloc": "elastic-ip",
    "fl": "vpc-flow-log",
    "igw": "internet-gateway",
    "nat": "natgateway",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "subnet": "subnet",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
_EC2_ID = re.compile(rf"({'|'.join(_EC2_KINDS)})-[0-9A-Za-z]+")
#: What an action of EC2 makes, by the end of the action's name.
_EC2_MADE = {
    "Address": "elastic-ip",
    "FlowLogs": "vpc-flow-log",
    "InternetGateway": "internet-gateway",
    "NatGateway": "natgateway",
    "RouteTable": "route-table",
    "SecurityGroup": "security-group",
    "SecurityGroupEgress": "security-group-rule",
    "SecurityGroupIngress": "security-group-rule",
    "Subnet": "subnet",
    "Vpc": "vpc",
    "VpcEndpoint": "vpc-endpoint",
}
_EC2_MAKES = re.compile(rf"ec2:(?:Allocate|Authorize|Create)({'|'.join(_EC2_MADE)})")


@dataclass(frozen=True)
class Request:
    """A request: its parameters by name, and the one resource that ministack gives it."""

    path: str
    parameters: dict[str, Any]
    resource: str

    def values(self, name: str) -> list[str]:
        """The values of a parameter, which the Query protocol numbers: ``AlarmNames.member.1``."""
        numbered = re.compile(rf"{name}(\.\w+)?(\.\d+)?")
        values = [value for key, value in self.parameters.items() if numbered.fullmatch(key)]
        return [
            str(each)
            for value in values
            for each in (value if isinstance(value, list) else [value])
        ]

    def value(self, name: str) -> str:
        """The first value of a parameter; empty without one."""
        return next(iter(self.values(name)), "")


def read(
    path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], arn: str
) -> Request:
    """The request with its parameters from JSON, CBOR, or the Query protocol."""
    document: Any = {}
    if "cbor" in headers.get("content-type", ""):
        import cbor2  # noqa: PLC0415 - the emulators' environment alone has it

        document = cbor2.loads(body)
    elif body[:1] == b"{":
        document = json.loads(body)
    plain = {key: value[0] if isinstance(value, list) else value for key, value in query.items()}
    nested = [value for value in document.values() if isinstance(value, dict)]
    parameters = {key: value for each in nested for key, value in each.items()}
    return Request(path, plain | parameters | document, arn)


def named(action: str, request: Request) -> list[str]:
    """The ARNs of the resources that exist and that the request is about."""
    service, _, operation = action.partition(":")
    if service == "ec2":
        return [*_ec2(operation, request)] or ([] if made(action) else ["*"])
    if service == "ecs" and "Service" in operation:
        return [*_ecs_services(request)]
    if action == "ecs:ListTasks" and not request.value("containerInstance"):
        return ["*"]
    if action == "ecs:ExecuteCommand":
        return [*_ecs_task(request)]
    listed = [
        value if value.startswith("arn:") else arn(service, form.format(value))
        for name, form in _NAMED.get(service, {}).items()
        for value in request.values(name)
    ]
    if operation in ("CreateDBInstance", "ModifyDBInstance"):
        listed.append(arn(service, "og:default:postgres-15"))
    if service == "kms":
        keys = [
            arn(service, f"key/{kms._aliases[each]}") for each in listed if each in kms._aliases
        ]
        # Who uses a key by its alias needs nothing of the alias.
        listed = [*listed, *keys] if "Alias" in operation else keys or listed
    if service == "iam":
        listed = [_role(each) for each in listed]
    return listed or [_single(service, operation, request) or request.resource]


def _single(service: str, operation: str, request: Request) -> str | None:
    """The resource that an operation names in a way of its own."""
    if operation == "GetLogEvents":
        return f"{request.resource}:log-stream:{request.value('logStreamName')}"
    if operation == "GetChange":
        return f"arn:aws:route53:::change/{request.path.rpartition('/')[2]}"
    target = _scalable().get(request.value("ResourceId"))
    if service == "application-autoscaling" and target:
        return str(target["ScalableTargetARN"])
    form = _SINGLE.get(operation)
    if form is None:
        return None
    values = {name: request.value(name) for name in re.findall(r"\{(\w+)\}", form)}
    return arn(service, form.format(**values))


def arn(service: str, resource: str) -> str:
    """The ARN of a resource in the request's account and region."""
    region = "" if service in _GLOBAL else responses.get_region()
    return f"arn:aws:{service}:{region}:{responses.get_account_id()}:{resource}"


def made(action: str) -> str | None:
    """The ARN of what an action of EC2 makes, whose id is not known yet."""
    match = _EC2_MAKES.fullmatch(action)
    return arn("ec2", f"{_EC2_MADE[match[1]]}/new") if match else None


def new_tags(request: Request) -> dict[str, str]:
    """The tags that a request of EC2 gives to what it makes, in the form of condition keys."""
    given = request.parameters
    names = {
        key: value
        for key, value in given.items()
        if re.fullmatch(r"TagSpecification\.\d+\.Tag\.\d+\.Key", key)
    }
    return {
        f"aws:RequestTag/{name}": given.get(f"{key[:-3]}Value", "") for key, name in names.items()
    }


def tags(resource: str) -> dict[str, str]:
    """The tags of a resource, in the form of condition keys."""
    service = resource.split(":")[2] if ":" in resource else ""
    if service == "ec2":
        pairs = ec2._tags.get(resource.rpartition("/")[2], [])
    elif service == "acm":
        pairs = (acm._certificates.get(resource) or {}).get("Tags", [])
    else:
        scalable = (
            each["Tags"]
            for each in _scalable().values()
            if each.get("ScalableTargetARN") == resource
        )
        listed: dict[str, str] = tagging.resource_tags(resource) or next(scalable, {})
        pairs = [{"Key": key, "Value": value} for key, value in listed.items()]
    return {f"aws:ResourceTag/{pair['Key']}": pair["Value"] for pair in pairs}


def _scalable() -> dict[str, Any]:
    """Scalable targets, and policies, by what they scale."""
    records: dict[str, Any] = emulator.front()._loaded_modules["application_autoscaling"].records
    return records


def _ec2(operation: str, request: Request) -> Iterator[str]:
    """What a request names by its id; an association stands for what it associates, a revoked rule for its group."""
    for key, value in request.parameters.items():
        if key.startswith(("IpPermissions", "TagSpecification")) or not isinstance(value, str):
            continue
        for identifier in _associated(value):
            match = _EC2_ID.fullmatch(identifier)
            if match and not (match[1] == "sgr" and operation.startswith("Revoke")):
                yield arn("ec2", f"{_EC2_KINDS[match[1]]}/{identifier}")


def _associated(identifier: str) -> Iterator[str]:
    if identifier.startswith("rtbassoc-"):
        for table_id, table in ec2._route_tables.items():
            listed = [each["RouteTableAssociationId"] for each in table.get("Associations", [])]
            if identifier in listed:
                yield table_id
    elif identifier.startswith("eipassoc-"):
        for address_id, address in ec2._addresses.items():
            if address.get("AssociationId") == identifier:
                yield address_id
    else:
        yield identifier


def _ecs_services(request: Request) -> Iterator[str]:
    cluster = (request.value("cluster") or "default").rpartition("/")[2]
    names = [name for key in ("service", "serviceName", "services") for name in request.values(key)]
    deployments = request.values("serviceDeploymentArns")
    for name in names:
        yield name if name.startswith("arn:") else arn("ecs", f"service/{cluster}/{name}")
    yield from deployments or ([] if names else ["*"])


def _ecs_task(request: Request) -> Iterator[str]:
    """The cluster and the task: a command needs the right to both."""
    cluster = (request.value("cluster") or "default").rpartition("/")[2]
    yield arn("ecs", f"cluster/{cluster}")
    yield arn("ecs", f"task/{cluster}/{request.value('task').rpartition('/')[2]}")


def _role(name: str) -> str:
    """A role's ARN with its path."""
    record = iam._roles.get(name.rpartition("/")[2]) or {}
    return str(record.get("Arn", name))
