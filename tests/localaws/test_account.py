"""A real account as the tasks see it: the local AWS, reached as any other."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.aws import account, identity_provider, localaws
from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.releases.project import project
from pipeline.terraform import roots
from tests.localaws.conftest import World

pytestmark = pytest.mark.engine

BUCKET = "logs-of-load-balancers"


@pytest.fixture
def real(running: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Staging's account, for a shell that is in another region."""
    for name, value in localaws.process_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LOCAL_AWS", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    return account.account(environments.load("staging"))


def test_the_region_is_the_environment_file_s_and_not_the_shell_s(real: Account) -> None:
    assert not real.local
    assert real.client("ecs").meta.region_name == "us-east-1"
    root = roots.environment_root(environments.load("staging"), real.environ)
    assert roots.environ(root)["AWS_REGION"] == "us-east-1"
    assert roots.environ(root)["AWS_DEFAULT_REGION"] == "us-east-1"


def test_an_identity_provider_of_somebody_else_must_take_our_audience(real: Account) -> None:
    iam = real.client("iam")
    assert not identity_provider.is_shared(real)
    url = f"https://{identity_provider.ISSUER}"
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["other"])
    named = {"OpenIDConnectProviderArn": arn["OpenIDConnectProviderArn"]}
    try:
        with pytest.raises(PipelineError, match="does not take the audience") as refusal:
            identity_provider.is_shared(real)
        assert "add-client-id-to-open-id-connect-provider" in refusal.value.next_step
        iam.delete_open_id_connect_provider(**named)
        audience = {"Url": url, "ClientIDList": [identity_provider.AUDIENCE]}
        iam.create_open_id_connect_provider(**audience)
        assert identity_provider.is_shared(real)
        ours = [{"Key": "Application", "Value": project().name}]
        iam.delete_open_id_connect_provider(**named)
        iam.create_open_id_connect_provider(Tags=ours, **audience)
        assert not identity_provider.is_shared(real)
    finally:
        iam.delete_open_id_connect_provider(**named)


@pytest.fixture(scope="module")
def balancer(world: World) -> Iterator[str]:
    """A load balancer's ARN, beside a bucket without a policy."""
    world.client("s3").create_bucket(Bucket=BUCKET)
    elb = world.client("elbv2")
    made = elb.create_load_balancer(Name="logging", Subnets=world.subnets)["LoadBalancers"][0]
    yield made["LoadBalancerArn"]
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        (
            {
                "ArnLike": {
                    "aws:SourceArn": "arn:aws:elasticloadbalancing:us-east-1:*:loadbalancer/*"
                }
            },
            True,
        ),
        (
            {
                "ArnLike": {
                    "aws:SourceArn": "arn:aws:elasticloadbalancing:eu-west-3:*:loadbalancer/*"
                }
            },
            False,
        ),
        ({"StringEquals": {"aws:SourceAccount": localaws.ACCOUNT}}, False),
    ],
    ids=["by its ARN", "another region's", "by its account alone"],
)
def test_a_load_balancer_writes_only_to_a_bucket_that_lets_it_in(
    world: World, balancer: str, condition: dict[str, Any], taken: bool
) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/AWSLogs/{localaws.ACCOUNT}/*",
        "Condition": condition,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=policy)
    assert switched_on(world, balancer) is taken


def switched_on(world: World, balancer: str) -> bool:
    """Whether the load balancer takes the bucket."""
    logs = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": BUCKET}
    attributes = [{"Key": key, "Value": value} for key, value in logs.items()]
    try:
        world.client("elbv2").modify_load_balancer_attributes(
            LoadBalancerArn=balancer, Attributes=attributes
        )
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidConfigurationRequest"
        return False
    return True
