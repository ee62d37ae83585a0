"""What one environment's roles are denied of another, over HTTPS with identities checked: each call is one that its own
environment's role may make."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.attestations import kms
from pipeline.aws import identity_provider, localaws
from pipeline.releases import environments
from pipeline.releases.project import project
from pipeline.terraform import roots
from tests.localaws import roles

pytestmark = pytest.mark.engine

#: Error codes of services that refuse for want of a right.
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
STATES = roots.state_bucket(localaws.ACCOUNT, localaws.REGION)
WEB_ACL = f"arn:aws:wafv2:{localaws.REGION}:{localaws.ACCOUNT}:regional/webacl/a/1"
BALANCERS = f"arn:aws:elasticloadbalancing:{localaws.REGION}:{localaws.ACCOUNT}:loadbalancer/app"
LOG_GROUP = f"arn:aws:logs:{localaws.REGION}:{localaws.ACCOUNT}:log-group:aws-waf-logs-a"


@dataclass(frozen=True)
class Environment:
    """Names and ids of what an environment has."""

    environment: str
    name: str
    vpc: str
    group: str
    key: str
    certificate: str
    database_secret: str

    @property
    def database(self) -> str:
        """The database's name."""
        return self.name

    @property
    def bucket(self) -> str:
        """The bucket of the load balancer's logs."""
        return f"{self.name}-{localaws.ACCOUNT}-{localaws.REGION}-access-logs"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource."""
        return f"arn:aws:{service}:{localaws.REGION}:{localaws.ACCOUNT}:{resource}"

    def role(self, suffix: str) -> str:
        """The ARN of a role."""
        return f"arn:aws:iam::{localaws.ACCOUNT}:role/{self.name}-{suffix}"


@pytest.fixture(scope="module")
def owned(
    running: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Environment]]:
    """An account that is bootstrapped, with some of what staging and production have."""
    localaws.start("--auth")
    with pytest.MonkeyPatch.context() as patch:
        # As in an account that lets another repository in already.
        iam = roles.client("iam")
        provider = iam.create_open_id_connect_provider(
            Url=f"https://{identity_provider.ISSUER}", ClientIDList=[identity_provider.AUDIENCE]
        )["OpenIDConnectProviderArn"]
        roles.bootstrap(patch, Path(tmp_path_factory.mktemp("denied")))
        loaded = [environments.load(name) for name in ("staging", "production")]
        yield {each.name: made(each.name, roots.base_name(each)) for each in loaded}
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    localaws.start()


def made(environment: str, name: str) -> Environment:
    """What the account's owner makes: that a role is denied it is not for want of the resource."""
    tags = [
        {"Key": "Application", "Value": project().name},
        {"Key": "Environment", "Value": environment},
    ]
    ec2, secrets = roles.client("ec2"), roles.client("secretsmanager")
    vpc = ec2.create_vpc(
        CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}]
    )
    vpc_id = vpc["Vpc"]["VpcId"]
    group = ec2.create_security_group(
        GroupName=name,
        Description=name,
        VpcId=vpc_id,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )
    key = roles.client("kms").create_key(
        Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags]
    )
    roles.client("kms").create_alias(
        AliasName=f"alias/{name}", TargetKeyId=key["KeyMetadata"]["KeyId"]
    )
    certificate = roles.client("acm").request_certificate(
        DomainName=f"{environment}.example.org", Tags=tags
    )
    secrets.create_secret(
        Name=f"{name}/secret-key", SecretString="s", KmsKeyId=key["KeyMetadata"]["Arn"]
    )
    owner = [
        {
            "Key": "aws:rds:primaryDBInstanceArn",
            "Value": f"arn:aws:rds:{localaws.REGION}:{localaws.ACCOUNT}:db:{name}",
        }
    ]
    database_secret = secrets.create_secret(
        Name=f"rds!db-{environment}", SecretString="s", Tags=owner
    )["ARN"]
    roles.client("logs").create_log_group(logGroupName=f"/ecs/{name}")
    roles.client("iam").create_role(RoleName=f"{name}-task", AssumeRolePolicyDocument="{}")
    bucket = f"{name}-{localaws.ACCOUNT}-{localaws.REGION}-access-logs"
    roles.client("s3").create_bucket(Bucket=bucket)
    roles.client("s3").put_object(Bucket=STATES, Key=f"{environment}/terraform.tfstate", Body=b"{}")
    return Environment(
        environment,
        name,
        vpc_id,
        group["GroupId"],
        key["KeyMetadata"]["KeyId"],
        certificate["CertificateArn"],
        database_secret,
    )


#: Action: the call of boto3 and its parameters for an environment.
CALLS: dict[str, tuple[str, str, Any]] = {
    "s3:GetObject": (
        "s3",
        "get_object",
        lambda e: {"Bucket": STATES, "Key": f"{e.environment}/terraform.tfstate"},
    ),
    "s3:PutObject": (
        "s3",
        "put_object",
        lambda e: {"Bucket": STATES, "Key": f"{e.environment}/terraform.tfstate"},
    ),
    "s3:DeleteBucket": ("s3", "delete_bucket", lambda e: {"Bucket": e.bucket}),
    "s3:DeleteObject": ("s3", "delete_object", lambda e: {"Bucket": e.bucket, "Key": "AWSLogs/x"}),
    "rds:DeleteDBInstance": (
        "rds",
        "delete_db_instance",
        lambda e: {"DBInstanceIdentifier": e.database, "SkipFinalSnapshot": True},
    ),
    "rds:ModifyDBInstance": (
        "rds",
        "modify_db_instance",
        lambda e: {"DBInstanceIdentifier": e.database, "AllocatedStorage": 99},
    ),
    "ecs:UpdateService": (
        "ecs",
        "update_service",
        lambda e: {"cluster": f"{e.name}-cluster", "service": f"{e.name}-service"},
    ),
    "ecs:DeleteCluster": ("ecs", "delete_cluster", lambda e: {"cluster": f"{e.name}-cluster"}),
    "secretsmanager:GetSecretValue": (
        "secretsmanager",
        "get_secret_value",
        lambda e: {"SecretId": f"{e.name}/secret-key"},
    ),
    "secretsmanager:PutSecretValue": (
        "secretsmanager",
        "put_secret_value",
        lambda e: {"SecretId": f"{e.name}/secret-key", "SecretString": "t"},
    ),
    "secretsmanager:RotateSecret": (
        "secretsmanager",
        "rotate_secret",
        lambda e: {"SecretId": e.database_secret},
    ),
    "kms:ScheduleKeyDeletion": ("kms", "schedule_key_deletion", lambda e: {"KeyId": e.key}),
    "kms:UpdateKeyDescription": (
        "kms",
        "update_key_description",
        lambda e: {"KeyId": e.key, "Description": "x"},
    ),
    "kms:DeleteAlias": ("kms", "delete_alias", lambda e: {"AliasName": f"alias/{e.name}"}),
    "iam:UpdateAssumeRolePolicy": (
        "iam",
        "update_assume_role_policy",
        lambda e: {"RoleName": f"{e.name}-task", "PolicyDocument": "{}"},
    ),
    "iam:DeleteRole": ("iam", "delete_role", lambda e: {"RoleName": f"{e.name}-task"}),
    "iam:PassRole": (
        "ecs",
        "register_task_definition",
        lambda e: {
            "family": e.name,
            "containerDefinitions": [],
            "taskRoleArn": e.role("task"),
        },
    ),
    "ec2:DeleteVpc": ("ec2", "delete_vpc", lambda e: {"VpcId": e.vpc}),
    "ec2:RevokeSecurityGroupIngress": (
        "ec2",
        "revoke_security_group_ingress",
        lambda e: {"GroupId": e.group},
    ),
    "ec2:CreateTags": (
        "ec2",
        "create_tags",
        lambda e: {"Resources": [e.vpc], "Tags": [{"Key": "a", "Value": "b"}]},
    ),
    "acm:DeleteCertificate": (
        "acm",
        "delete_certificate",
        lambda e: {"CertificateArn": e.certificate},
    ),
    "logs:DeleteLogGroup": (
        "logs",
        "delete_log_group",
        lambda e: {"logGroupName": f"/ecs/{e.name}"},
    ),
    "cloudwatch:DeleteAlarms": (
        "cloudwatch",
        "delete_alarms",
        lambda e: {"AlarmNames": [f"{e.name}-cpu"]},
    ),
    "sns:DeleteTopic": (
        "sns",
        "delete_topic",
        lambda e: {"TopicArn": e.arn("sns", f"{e.name}-alarms")},
    ),
    "elasticloadbalancing:DeleteLoadBalancer": (
        "elbv2",
        "delete_load_balancer",
        lambda e: {
            "LoadBalancerArn": e.arn("elasticloadbalancing", f"loadbalancer/app/{e.name}-alb/1")
        },
    ),
}


def denial(keys: dict[str, str], action: str, environment: Environment) -> str:
    """The message of a denial; empty where the call got as far as the resource."""
    service, operation, parameters = CALLS[action]
    try:
        getattr(roles.client(service, keys), operation)(**parameters(environment))
    except ClientError as error:
        return (
            error.response["Error"]["Message"] if error.response["Error"]["Code"] in DENIED else ""
        )
    return ""


@pytest.mark.parametrize("action", CALLS)
def test_staging_s_apply_role_is_denied_production(
    owned: dict[str, Environment], action: str
) -> None:
    keys = roles.credentials("apply-staging", environment="staging")
    message = denial(keys, action, owned["production"])
    assert re.search(
        f"assumed-role/{project().name}-apply-staging/job is not authorized to perform: {action} ",
        message,
    )


# A bucket goes after what is in it: of one that is gone nothing is denied.
@pytest.mark.parametrize("action", list(reversed(CALLS)))
def test_staging_s_apply_role_may_do_the_same_to_staging(
    owned: dict[str, Environment], action: str
) -> None:
    assert (
        denial(roles.credentials("apply-staging", environment="staging"), action, owned["staging"])
        == ""
    )


@pytest.mark.parametrize(
    ("action", "environment"),
    [
        ("secretsmanager:GetSecretValue", "staging"),
        ("s3:GetObject", "production"),
        ("s3:PutObject", "staging"),
        ("ecs:UpdateService", "staging"),
    ],
)
def test_the_role_of_a_pull_request_reads_no_value_and_no_other_state(
    owned: dict[str, Environment], action: str, environment: str
) -> None:
    keys = roles.credentials("plan-staging", event="pull_request")
    assert f"not authorized to perform: {action} " in denial(keys, action, owned[environment])
    with pytest.raises(ClientError, match="not authorized to perform: logs:GetLogEvents"):
        roles.client("logs", keys).get_log_events(
            logGroupName=f"/ecs/{owned['staging'].name}", logStreamName="x"
        )
    assert denial(keys, "s3:GetObject", owned["staging"]) == ""


@pytest.mark.parametrize("role", ["apply-staging", "read-staging"])
def test_no_role_of_the_workflows_runs_a_command_in_a_task(
    owned: dict[str, Environment], role: str
) -> None:
    keys = roles.credentials(role, environment="staging")
    name = owned["staging"].name
    with pytest.raises(ClientError, match="not authorized to perform: ecs:ExecuteCommand"):
        roles.client("ecs", keys).execute_command(
            cluster=f"{name}-cluster", task="0" * 32, command="id", interactive=True
        )


def test_a_resource_that_cannot_be_told_is_denied(owned: dict[str, Environment]) -> None:
    keys = roles.credentials("apply-staging", environment="staging")
    with pytest.raises(ClientError, match=r"ec2:DeleteNatGateway on resource: \*"):
        roles.client("ec2", keys).delete_nat_gateway(NatGatewayId="")


SCALED = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/c/s",
    "ScalableDimension": "ecs:service:DesiredCount",
}
#: An action that a service asks for in the caller's name, and the call that needs it besides its own.
NEEDED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cloudwatch:PutMetricAlarm": (
        "application-autoscaling",
        "put_scaling_policy",
        {"PolicyName": "cpu", "PolicyType": "TargetTrackingScaling", **SCALED},
    ),
    "ecs:UpdateService": ("application-autoscaling", "register_scalable_target", SCALED),
    "elasticloadbalancing:SetWebACL": (
        "wafv2",
        "associate_web_acl",
        {"WebACLArn": WEB_ACL, "ResourceArn": f"{BALANCERS}/a/1"},
    ),
    "logs:DescribeResourcePolicies": (
        "wafv2",
        "put_logging_configuration",
        {"LoggingConfiguration": {"ResourceArn": WEB_ACL, "LogDestinationConfigs": [LOG_GROUP]}},
    ),
    "rds:CreateDBSnapshot": (
        "rds",
        "delete_db_instance",
        {"DBInstanceIdentifier": "d", "FinalDBSnapshotIdentifier": "d-final"},
    ),
    "rds:AddTagsToResource": (
        "rds",
        "delete_db_instance",
        {"DBInstanceIdentifier": "d", "FinalDBSnapshotIdentifier": "d-final"},
    ),
    "route53:AssociateVPCWithHostedZone": (
        "ec2",
        "create_vpc_endpoint",
        {"VpcId": "vpc-1", "ServiceName": "s", "PrivateDnsEnabled": True},
    ),
    "secretsmanager:CreateSecret": (
        "rds",
        "create_db_instance",
        {"DBInstanceIdentifier": "d", "DBInstanceClass": "db.t4g.micro", "Engine": "postgres"},
    ),
}


@pytest.mark.parametrize("action", NEEDED)
def test_what_a_service_asks_for_in_the_caller_s_name_is_the_caller_s_right(
    owned: dict[str, Environment], action: str
) -> None:
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denied = {"Effect": "Deny", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed, denied]})
    iam, name = roles.client("iam"), action.replace(":", "-")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all-but-one", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    service, operation, parameters = NEEDED[action]
    with pytest.raises(ClientError, match=f"not authorized to perform: {action} "):
        getattr(roles.client(service, keys), operation)(**parameters)


def test_what_is_made_is_told_by_its_own_tags(owned: dict[str, Environment]) -> None:
    ec2 = roles.client("ec2", roles.credentials("apply-staging", environment="staging"))
    pairs = {"Application": project().name, "Environment": "staging"}
    tags = [{"Key": key, "Value": value} for key, value in pairs.items()]

    def make(environment: Environment, given: list[dict[str, str]]) -> None:
        kind: Any = {"ResourceType": "vpc-endpoint", "Tags": given}
        service = f"com.amazonaws.{localaws.REGION}.s3"
        ec2.create_vpc_endpoint(
            VpcId=environment.vpc, ServiceName=service, TagSpecifications=[kind]
        )

    make(owned["staging"], tags)
    with pytest.raises(ClientError, match=r"CreateVpcEndpoint on resource: .*:vpc-endpoint/new"):
        make(owned["staging"], tags[:1])
    with pytest.raises(ClientError, match=r"CreateVpcEndpoint on resource: .*:vpc/vpc-"):
        make(owned["production"], tags)


def test_who_pushes_releases_signs_them_and_readers_only_verify(
    owned: dict[str, Environment],
) -> None:
    alias = f"arn:aws:kms:{localaws.REGION}:{localaws.ACCOUNT}:alias/{project().name}-images"
    message: dict[str, Any] = {
        "KeyId": alias,
        "Message": bytes(32),
        "MessageType": "DIGEST",
        "SigningAlgorithm": kms.ALGORITHM,
    }
    pushing = roles.client("kms", roles.credentials("apply-staging", environment="staging"))
    reading = roles.client("kms", roles.credentials("read-staging", ref="refs/heads/main"))
    reviewing = roles.client("kms", roles.credentials("plan-staging", event="pull_request"))
    assert pushing.sign(**message)["Signature"]
    assert reading.get_public_key(KeyId=alias)["PublicKey"]
    for stranger in (reading, reviewing):
        with pytest.raises(ClientError, match="not authorized to perform: kms:Sign "):
            stranger.sign(**message)
    with pytest.raises(ClientError, match="not authorized to perform: kms:ScheduleKeyDeletion "):
        pushing.schedule_key_deletion(
            KeyId=roles.client("kms").describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
        )


def test_an_identity_provider_of_somebody_else_is_not_ours_to_destroy(
    owned: dict[str, Environment],
) -> None:
    state = roles.client("s3").get_object(Bucket=STATES, Key="bootstrap/terraform.tfstate")
    resources = json.loads(state["Body"].read())["resources"]
    assert "aws_iam_openid_connect_provider" not in {each["type"] for each in resources}
