"""The key that signs an application's images: in AWS KMS, beside their registry. It never leaves KMS."""

import hashlib
import re
from typing import Any

from botocore.exceptions import ClientError

from pipeline.attestations.keys import Key
from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.releases.project import project

#: The one algorithm of a key of the kind ECC_NIST_P256 (infra/terraform/modules/signing-key).
ALGORITHM = "ECDSA_SHA_256"
ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.")


def exists(account: Account, repository: str) -> bool:
    """Whether the account of a repository has its key; bootstrap makes it."""
    return _public(account.client("kms"), repository) is not None


def find(account: Account, repository: str) -> Key:
    """The key for the images of a repository; raises PipelineError where there is none, or it may not be used."""
    client = account.client("kms")
    public = _public(client, repository)
    if public is None:
        raise PipelineError(
            f"the account of {repository} has no signing key ({_arn(client, repository)})",
            next_step="run ./inv bootstrap",
        )
    arn = _arn(client, repository)

    def signature(content: bytes) -> bytes:
        answer = client.sign(
            KeyId=arn,
            Message=hashlib.sha256(content).digest(),
            MessageType="DIGEST",
            SigningAlgorithm=ALGORITHM,
        )
        return bytes(answer["Signature"])

    return Key(arn, public, signature)


def _public(client: Any, repository: str) -> bytes | None:
    arn = _arn(client, repository)
    try:
        return bytes(client.get_public_key(KeyId=arn)["PublicKey"])
    except client.exceptions.NotFoundException:
        return None
    except (
        client.exceptions.DisabledException,
        client.exceptions.KMSInvalidStateException,
    ) as error:
        raise PipelineError(
            f"the signing key {arn} is disabled or about to be deleted, so that nothing it signed is trusted",
            next_step="enable it again in KMS, or make another by ./inv bootstrap and sign what runs anew",
        ) from error
    except ClientError as error:
        raise PipelineError(
            f"the signing key {arn} cannot be read: {error}",
            next_step="run ./inv bootstrap, which gives the roles their rights",
        ) from error


def _arn(client: Any, repository: str) -> str:
    """The alias of the key; its account and region are those of the registry (``<account>.dkr.ecr.<region>.…``)."""
    place = ECR.match(repository)
    if place is None:
        raise PipelineError(
            f"{repository} is no repository of Amazon ECR, beside which the signing key lies",
            next_step="name one as image.repository (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME)",
        )
    region, account = place["region"], place["account"]
    return f"arn:{client.meta.partition}:kms:{region}:{account}:alias/{project().name}-images"
