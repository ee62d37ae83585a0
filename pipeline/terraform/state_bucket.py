"""Creates the bucket for Terraform's state, empty: bootstrap imports it and sets versioning, encryption and policy."""

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.terraform.roots import Root, state_key

#: The one region whose name CreateBucket does not take.
_NO_CONSTRAINT = "us-east-1"


def ensure(name: str, region: str, account: Account) -> None:
    """Creates the bucket, private and encrypted by default, unless it exists; PipelineError where AWS refuses."""
    client = account.client("s3")
    location = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name, **(location if region != _NO_CONSTRAINT else {}))
            client.get_waiter("bucket_exists").wait(Bucket=name)
    except (ClientError, BotoCoreError) as error:
        raise PipelineError(
            f"the bucket {name} cannot be used: {error}",
            next_step="check the credentials, their account and rights, and the network",
        ) from error


def is_locked(root: Root, account: Account) -> bool:
    """Whether the lock of a root's state is there; True where AWS does not answer that, so that Terraform says why."""
    client = account.client("s3")
    try:
        found = client.list_objects_v2(Bucket=root.bucket, Prefix=f"{state_key(root)}.tflock")
    except (ClientError, BotoCoreError):
        return True
    return bool(found["KeyCount"])
