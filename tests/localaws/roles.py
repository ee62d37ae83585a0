"""GitHub's roles on a local AWS that checks identities: its bootstrap, and what a job gets for its token."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from localgithub import identity
from pipeline.aws import identity_provider, localaws
from pipeline.aws.account import Account
from pipeline.releases import environments
from pipeline.releases.project import project
from pipeline.terraform import roots, state_bucket
from pipeline.terraform import run as terraform

REPOSITORY = "example/shop"
AUDIENCE = "sts.amazonaws.com"


def bootstrap(patch: pytest.MonkeyPatch, local: Path) -> None:
    """Starts the local AWS with identities checked, and bootstraps its account for a GitHub repository."""
    localaws.start("--auth")
    account = Account(localaws.process_environment(), local=True)
    patch.setattr(roots, "LOCAL", local)
    patch.setattr(environments, "LOCAL", local)
    root = roots.bootstrap_root(
        environments.load("staging"),
        localaws.process_environment(https=True),
        roots.GitHubRepository(REPOSITORY, identity.OWNER_ID, identity.REPOSITORY_ID),
        disposable=True,
        shared_provider=identity_provider.is_shared(account),
    )
    state_bucket.ensure(root.bucket, localaws.REGION, account)
    terraform.apply(terraform.plan(root))


def credentials(
    role: str,
    *,
    repository_id: str = identity.REPOSITORY_ID,
    form: str = "immutable",
    **claims: str,
) -> dict[str, str]:
    """What a job with these claims gets for its token, as environment variables."""
    tls = localaws.process_environment(https=True)
    sts = boto3.client(
        "sts",
        endpoint_url=tls["AWS_ENDPOINT_URL"],
        verify=tls["AWS_CA_BUNDLE"],
        region_name=localaws.REGION,
        config=Config(signature_version=UNSIGNED),
    )
    given = sts.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{localaws.ACCOUNT}:role/github/{project().name}-{role}",
        RoleSessionName="job",
        WebIdentityToken=identity.token(
            REPOSITORY,
            AUDIENCE,
            identity.subject(REPOSITORY, immutable=form == "immutable", **claims),
            repository_id,
            **({"ref": claims["ref"]} if "ref" in claims else {}),
        ),
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def client(service: str, keys: dict[str, str] | None = None) -> Any:
    """A client over HTTPS, of a job's keys or of the account's owner."""
    environ = localaws.process_environment(https=True) | (keys or {})
    return boto3.client(  # type: ignore[call-overload] # one function serves all services
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        verify=environ["AWS_CA_BUNDLE"],
        region_name=localaws.REGION,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        config=Config(retries={"max_attempts": 1}),
    )
