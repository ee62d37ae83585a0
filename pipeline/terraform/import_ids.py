"""How a resource is named to ``terraform import``, by the provider's documentation of each type that is used here."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

Values = Mapping[str, Any]
#: Makes the boto3 client of a service.
Client = Callable[[str], Any]

#: Terraform makes these again: creating puts what is there already, what is left costs nothing (another version of a
#: secret; another revision of a task definition, which an import would take out of use), or no import exists.
_MADE_AGAIN = frozenset(
    {
        "aws_acm_certificate_validation",
        "aws_default_security_group",
        "aws_ecs_task_definition",
        "aws_secretsmanager_secret_version",
        "aws_sns_topic_subscription",
    }
)

#: So is the creation of these, when it had only begun.
_MADE_AGAIN_WHEN_BEGUN = frozenset(
    {
        "aws_acm_certificate",
        "aws_appautoscaling_policy",
        "aws_appautoscaling_target",
        "aws_ecr_lifecycle_policy",
        "aws_ecr_repository_policy",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_logging",
        "aws_s3_bucket_notification",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_secretsmanager_secret_rotation",
        "aws_sns_topic",
        "aws_sns_topic_policy",
        "aws_wafv2_web_acl_association",
        "aws_wafv2_web_acl_logging_configuration",
    }
)

#: Made of planned values: where the import wants something else than the resource's id, and where a name is the id.
_FROM_VALUES = {
    "aws_appautoscaling_policy": "{service_namespace}/{resource_id}/{scalable_dimension}/{name}",
    "aws_appautoscaling_target": "{service_namespace}/{resource_id}/{scalable_dimension}",
    "aws_cloudwatch_log_group": "{name}",
    "aws_cloudwatch_metric_alarm": "{alarm_name}",
    "aws_db_instance": "{identifier}",
    "aws_db_parameter_group": "{name}",
    "aws_db_subnet_group": "{name}",
    "aws_ecr_repository": "{name}",
    "aws_ecs_cluster": "{name}",
    "aws_iam_role": "{name}",
    "aws_iam_role_policy_attachment": "{role}/{policy_arn}",
    "aws_kms_alias": "{name}",
    "aws_route": "{route_table_id}_{destination_cidr_block}",
    "aws_route53_record": "{zone_id}_{name}_{type}",
    "aws_route_table_association": "{subnet_id}/{route_table_id}",
    "aws_s3_bucket": "{bucket}",
}

#: EC2 gives the id, but the tags are there from the first moment: operation, list and id in its answer.
_TAGGED = {
    "aws_eip": ("describe_addresses", "Addresses", "AllocationId"),
    "aws_flow_log": ("describe_flow_logs", "FlowLogs", "FlowLogId"),
    "aws_internet_gateway": (
        "describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
    ),
    "aws_nat_gateway": ("describe_nat_gateways", "NatGateways", "NatGatewayId"),
    "aws_route_table": ("describe_route_tables", "RouteTables", "RouteTableId"),
    "aws_security_group": ("describe_security_groups", "SecurityGroups", "GroupId"),
    "aws_subnet": ("describe_subnets", "Subnets", "SubnetId"),
    "aws_vpc": ("describe_vpcs", "Vpcs", "VpcId"),
    "aws_vpc_endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "aws_vpc_security_group_egress_rule": (
        "describe_security_group_rules",
        "SecurityGroupRules",
        "SecurityGroupRuleId",
    ),
    "aws_vpc_security_group_ingress_rule": (
        "describe_security_group_rules",
        "SecurityGroupRules",
        "SecurityGroupRuleId",
    ),
}
_ENDED = ("deleting", "deleted", "failed")


def needs_none(kind: str, *, begun: bool) -> bool:
    """Whether making a resource again does what importing it would do.

    Args:
        begun: Its creation is not known to have been completed.
    """
    return kind in _MADE_AGAIN or (begun and kind in _MADE_AGAIN_WHEN_BEGUN)


def import_id(
    kind: str, values: Values, resource_id: str | None, client: Client, taken: Collection[str]
) -> str | None:
    """What ``terraform import`` wants to hear for a resource; None when it does not exist, or is not known yet.

    Args:
        values: Those that are planned for it; one that is not known yet is missing or None.
        resource_id: Its id when its creation was completed.
        taken: Ids of other resources.

    Raises:
        LookupError: Several objects could be the one.
        botocore.exceptions.ClientError: AWS refused to tell.
    """
    if kind in _FROM_VALUES:
        return _filled(_FROM_VALUES[kind], values)
    if kind in _ALWAYS_ASKED:
        return _ALWAYS_ASKED[kind](values, client)
    if resource_id is not None:
        return resource_id
    if kind in _TAGGED:
        return _by_tags(kind, values, client("ec2"), taken)
    ask = _ASKED_WHEN_BEGUN.get(kind)
    if ask is None:
        raise LookupError("there is no rule for its type")
    return ask(values, client)


def _filled(pattern: str, values: Values) -> str | None:
    known = {name: value for name, value in values.items() if value is not None}
    try:
        return pattern.format_map(known)
    except KeyError:
        return None


def _by_tags(kind: str, values: Values, ec2: Any, taken: Collection[str]) -> str | None:
    operation, items, identity = _TAGGED[kind]
    pages = (
        ec2.get_paginator(operation).paginate()
        if ec2.can_paginate(operation)
        else [getattr(ec2, operation)()]
    )
    wanted = set((values.get("tags_all") or values.get("tags") or {}).items())
    found = [
        str(one[identity])
        for page in pages
        for one in page[items]
        if wanted
        and wanted <= {(tag["Key"], tag["Value"]) for tag in one.get("Tags", [])}
        and one.get("State") not in _ENDED
        and one[identity] not in taken
    ]
    if len(found) > 1:
        raise LookupError(f"it may be any of {', '.join(sorted(found))}")
    return found[0] if found else None


def _account(client: Client) -> tuple[str, str]:
    """Partition and number of the account."""
    caller = client("sts").get_caller_identity()
    return caller["Arn"].split(":")[1], caller["Account"]


def _budget(values: Values, client: Client) -> str:
    return f"{_account(client)[1]}:{values['name']}"


def _policy(values: Values, client: Client) -> str:
    partition, account = _account(client)
    return f"arn:{partition}:iam::{account}:policy{values.get('path') or '/'}{values['name']}"


def _identity_provider(values: Values, client: Client) -> str:
    partition, account = _account(client)
    return f"arn:{partition}:iam::{account}:oidc-provider/{str(values['url']).removeprefix('https://')}"


def _service(values: Values, _client: Client) -> str | None:
    cluster = values.get("cluster")
    return f"{str(cluster).rsplit('/', 1)[-1]}/{values['name']}" if cluster else None


def _key(values: Values, client: Client) -> str | None:
    kms = client("kms")
    for page in kms.get_paginator("list_keys").paginate():
        for one in page["Keys"]:
            key = kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"]
            if key["KeyState"] == "Enabled" and key["Description"] == values["description"]:
                return str(key["KeyId"])
    return None


def _balancer(values: Values, client: Client) -> str | None:
    elb = client("elbv2")
    try:
        found = elb.describe_load_balancers(Names=[values["name"]])["LoadBalancers"]
    except elb.exceptions.LoadBalancerNotFoundException:
        return None
    return str(found[0]["LoadBalancerArn"]) if found else None


def _target_group(values: Values, client: Client) -> str | None:
    elb = client("elbv2")
    try:
        found = elb.describe_target_groups(Names=[values["name"]])["TargetGroups"]
    except elb.exceptions.TargetGroupNotFoundException:
        return None
    return str(found[0]["TargetGroupArn"]) if found else None


def _listener(values: Values, client: Client) -> str | None:
    balancer = values.get("load_balancer_arn")
    if not balancer:
        return None
    found = client("elbv2").describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    return next((str(one["ListenerArn"]) for one in found if one["Port"] == values["port"]), None)


def _secret(values: Values, client: Client) -> str | None:
    manager = client("secretsmanager")
    try:
        return str(manager.describe_secret(SecretId=values["name"])["ARN"])
    except manager.exceptions.ResourceNotFoundException:
        return None


def _web_acl(values: Values, client: Client) -> str | None:
    for one in client("wafv2").list_web_acls(Scope=values["scope"])["WebACLs"]:
        if one["Name"] == values["name"]:
            return f"{one['Id']}/{one['Name']}/{values['scope']}"
    return None


Ask = Callable[[Values, Client], str | None]
_ALWAYS_ASKED: Mapping[str, Ask] = {
    "aws_ecs_service": _service,
    "aws_wafv2_web_acl": _web_acl,
}
_ASKED_WHEN_BEGUN: Mapping[str, Ask] = {
    "aws_budgets_budget": _budget,
    "aws_iam_openid_connect_provider": _identity_provider,
    "aws_iam_policy": _policy,
    "aws_kms_key": _key,
    "aws_lb": _balancer,
    "aws_lb_listener": _listener,
    "aws_lb_target_group": _target_group,
    "aws_secretsmanager_secret": _secret,
}
