"""Actions that a service asks for in the caller's name: Service Authorization Reference, and the services' guides."""

import re
from collections.abc import Iterator
from typing import Any

from localaws.emulator import responses, s3, secretsmanager
from localaws.iam.resources import Request, arn

_ALARMS = "cloudwatch:alarm:TargetTracking-{ResourceId}-AlarmHigh"
_DATABASE_SECRET = "secretsmanager:secret:rds!db-new"  # noqa: S105 - a resource
_FINAL_SNAPSHOT = "rds:snapshot:{FinalDBSnapshotIdentifier}"
#: The actions that one asks for, with their resource: ``service:name``, ``*``, or a parameter that holds an ARN.
_TABLE = {
    "application-autoscaling:DeleteScalingPolicy": {"cloudwatch:DeleteAlarms": _ALARMS},
    "application-autoscaling:PutScalingPolicy": {
        "cloudwatch:DeleteAlarms": _ALARMS,
        "cloudwatch:DescribeAlarms": _ALARMS,
        "cloudwatch:PutMetricAlarm": _ALARMS,
    },
    "application-autoscaling:RegisterScalableTarget": {
        "ecs:DescribeServices": "ecs:{ResourceId}",
        "ecs:UpdateService": "ecs:{ResourceId}",
    },
    # AWS's policy ElasticLoadBalancingFullAccess has both since 2023: aws-load-balancer-controller #3917.
    "elasticloadbalancing:CreateLoadBalancer": {
        "ec2:DescribeAccountAttributes": "*",
        "ec2:GetSecurityGroupsForVpc": "*",
    },
    "rds:CreateDBInstance": {
        "ec2:DescribeAccountAttributes": "*",
        "kms:CreateGrant": "{KmsKeyId}",
        "kms:DescribeKey": "{KmsKeyId}",
        "secretsmanager:CreateSecret": _DATABASE_SECRET,
        "secretsmanager:TagResource": _DATABASE_SECRET,
    },
    # For a final snapshot; tags are asked for of an instance that copies its own, as ours does.
    "rds:DeleteDBInstance": {
        "rds:AddTagsToResource": _FINAL_SNAPSHOT,
        "rds:CreateDBSnapshot": _FINAL_SNAPSHOT,
    },
    "wafv2:AssociateWebACL": {"elasticloadbalancing:SetWebACL": "{ResourceArn}"},
    "wafv2:PutLoggingConfiguration": {
        "logs:CreateLogDelivery": "*",
        "logs:DescribeLogGroups": "*",
        "logs:DescribeResourcePolicies": "*",
        "logs:PutResourcePolicy": "*",
    },
}
#: Parameters that pass a role, with the service that gets it.
_PASSED = {
    "DeliverLogsPermissionArn": ["vpc-flow-logs.amazonaws.com"],
    # Which of the two RDS names is not documented: both must be allowed here.
    "MonitoringRoleArn": ["monitoring.rds.amazonaws.com", "rds.amazonaws.com"],
    "executionRoleArn": ["ecs-tasks.amazonaws.com"],
    "taskRoleArn": ["ecs-tasks.amazonaws.com"],
}
_OBJECT_KEY = re.compile(r"<KMSMasterKeyID>(.*?)</KMSMasterKeyID>")
#: What reading and writing an object or a secret asks of its key.
_KEY_ACTIONS = {
    "s3:GetObject": "kms:Decrypt",
    "s3:PutObject": "kms:GenerateDataKey",
    "secretsmanager:GetSecretValue": "kms:Decrypt",
    "secretsmanager:PutSecretValue": "kms:GenerateDataKey",
}


def checks(action: str, request: Request) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each action, its resource and its condition keys that the request needs besides its own."""
    for needed, form in _TABLE.get(action, {}).items():
        values = {name: request.value(name) for name in re.findall(r"\{(\w+)\}", form)}
        if "" not in values.values():
            resource = form.format(**values)
            service, _, name = resource.partition(":")
            yield needed, arn(service, name) if service not in ("*", "arn") else resource, {}
    if action == "ec2:CreateVpcEndpoint" and request.value("PrivateDnsEnabled") == "true":
        yield "route53:AssociateVPCWithHostedZone", "*", {}
    for parameter, services in _PASSED.items():
        if role := request.value(parameter):
            yield from (("iam:PassRole", role, {"iam:PassedToService": each}) for each in services)
    key = _key(request.resource) if action in _KEY_ACTIONS else None
    if key:
        service = action.partition(":")[0]
        via = f"{service}.{responses.get_region()}.amazonaws.com"
        yield _KEY_ACTIONS[action], key, {"kms:ViaService": via}


def _key(resource: str) -> str | None:
    """The key that encrypts an object or a secret; None for one of AWS's own."""
    if resource.startswith("arn:aws:s3:"):
        bucket = resource.rpartition(":")[2].partition("/")[0]
        match = _OBJECT_KEY.search(s3._bucket_encryption.get(bucket) or "")
        return match[1] if match else None
    _, secret = secretsmanager._resolve(resource)
    key = str((secret or {}).get("KmsKeyId") or "")
    return key if key.startswith("arn:") else None
