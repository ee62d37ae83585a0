"""Makes the bucket for Terraform's state, empty: bootstrap adopts it and does all the rest."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.core.errors import PipelineError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

#: The one region whose name CreateBucket does not take.
_NO_CONSTRAINT = "us-east-1"
_EXISTS = ("404", "NoSuchBucket", "NotFound")


def ensure(name: str, region: str, environ: Mapping[str, str]) -> bool:
    """Creates the bucket unless it exists; True when it was created now.

    A new bucket is private and encrypted by default. Versioning, our own key and the TLS-only policy come with
    bootstrap's first apply, before any environment has a state.

    Args:
        environ: Credentials, region and endpoints, as AWS programs read them.

    Raises:
        PipelineError: The name belongs to somebody else, or AWS cannot be asked.
    """
    client = _client(environ, region)
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _EXISTS:
            raise PipelineError(
                f"the bucket {name} cannot be used: {error.response['Error']['Message']}",
                next_step="check the credentials' account and rights",
            ) from error
    except BotoCoreError as error:
        raise _unreachable(error) from error
    else:
        return False
    try:
        if region == _NO_CONSTRAINT:
            client.create_bucket(Bucket=name)
        else:
            client.create_bucket(
                Bucket=name,
                CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
            )
        client.get_waiter("bucket_exists").wait(Bucket=name)
    except ClientError as error:
        raise PipelineError(
            f"the bucket {name} could not be made: {error.response['Error']['Message']}",
            next_step="check the credentials' rights",
        ) from error
    except BotoCoreError as error:
        raise _unreachable(error) from error
    return True


def _client(environ: Mapping[str, str], region: str) -> "S3Client":
    session = boto3.Session(
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        profile_name=environ.get("AWS_PROFILE"),
        region_name=region,
    )
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    return session.client("s3", endpoint_url=endpoint)


def _unreachable(error: BotoCoreError) -> PipelineError:
    return PipelineError(
        f"AWS cannot be asked: {error}", next_step="check the credentials and the network"
    )
