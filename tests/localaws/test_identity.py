"""With ``auth`` the local AWS asks who somebody is and what he may; without, everything is allowed."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline.aws import localaws
from tests.localaws.conftest import World

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def checked(world: World) -> Iterator[World]:
    localaws.start("--auth")
    yield world
    localaws.start()


def as_user(key: dict[str, str], service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=localaws.process_environment()["AWS_ENDPOINT_URL"],
        region_name=localaws.REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
    )


def test_a_user_may_only_what_his_policy_allows(checked: World) -> None:
    iam = checked.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    with pytest.raises(ClientError, match="AccessDenied"):
        as_user(key, "ecs").list_clusters()
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecs:ListClusters","Resource":"*"}]}'
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    as_user(key, "ecs").list_clusters()
    with pytest.raises(ClientError, match="AccessDenied"):
        as_user(key, "ecs").create_cluster(clusterName="forbidden")


def test_nobody_gets_in_with_a_made_up_key(checked: World) -> None:
    key = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "made up"}
    with pytest.raises(ClientError):
        as_user(key, "ecs").list_clusters()


def test_the_local_root_may_everything(checked: World) -> None:
    checked.client("ecs").create_cluster(clusterName="allowed")
