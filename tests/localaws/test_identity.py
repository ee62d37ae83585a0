"""With ``auth`` the local AWS asks who somebody is and what he may; without, everything is allowed."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localgithub import identity
from pipeline.aws import localaws
from tests.localaws.conftest import World

pytestmark = pytest.mark.engine

AUDIENCE = "sts.amazonaws.com"
#: GitHub's claims that AWS STS passes on (Service Authorization Reference, condition keys of AWS STS).
PASSED = {
    *("actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref"),
    *("repository", "repository_id", "repository_owner_id", "workflow"),
}
#: All of them (docs.github.com, OpenID Connect reference).
CLAIMS = PASSED | {
    *("base_ref", "check_run_id", "enterprise", "event_name", "head_ref", "iss", "jti"),
    *("job_workflow_sha", "ref_type", "repository_owner", "repository_visibility", "run_attempt"),
    *("run_id", "run_number", "runner_environment", "sha", "workflow_ref", "workflow_sha"),
}


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


@pytest.fixture
def provider(checked: World) -> Iterator[str]:
    iam = checked.client("iam")
    arn = iam.create_open_id_connect_provider(Url=identity.ISSUER, ClientIDList=[AUDIENCE])[
        "OpenIDConnectProviderArn"
    ]
    yield arn
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_a_trust_rests_on_the_claims_that_sts_passes_on_and_on_no_other(
    checked: World, provider: str
) -> None:
    iam, sts = checked.client("iam"), checked.client("sts")
    host = identity.ISSUER.removeprefix("https://")
    values = {claim: f"the {claim}" for claim in CLAIMS} | {"iss": identity.ISSUER}
    token = identity.token(audience=AUDIENCE, sub="job", **values)

    def trust(claim: str, value: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:sub": "job", f"{host}:{claim}": value}},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def holds(claim: str, value: str) -> bool:
        iam.update_assume_role_policy(RoleName="job", PolicyDocument=trust(claim, value))
        try:
            sts.assume_role_with_web_identity(
                RoleArn=role, RoleSessionName="job", WebIdentityToken=token
            )
        except sts.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            return False
        return True

    role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=trust("aud", AUDIENCE))["Role"][
        "Arn"
    ]
    assert holds("aud", AUDIENCE)
    assert {claim for claim in CLAIMS if holds(claim, values[claim])} == PASSED
    assert not any(holds(claim, "another") for claim in PASSED)
