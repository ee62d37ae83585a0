"""The environment variables that lead Terraform, boto3 and the AWS CLI to a local AWS."""

import os
from collections.abc import Mapping

from localaws.settings import Settings


def to_set(
    settings: Settings, environ: Mapping[str, str], *, https: bool = False
) -> dict[str, str]:
    """The variables to set, beside ``environ``; with ``https`` the API is led to over TLS."""
    # By address, so that the S3 backend addresses buckets by path.
    api = f"http://127.0.0.1:{settings.api_port}"
    if https:
        api = f"https://127.0.0.1:{settings.api_tls_port}"
    direct = no_proxy(environ)
    return {
        "AWS_ENDPOINT_URL": api,
        "AWS_ENDPOINT_URL_STS": api,  # web-identity credentials read this one alone
        "AWS_ACCESS_KEY_ID": settings.account,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,  # boto3 reads this one alone
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LOCALAWS_URL": f"http://localhost:{settings.http_port}",
        "NO_PROXY": direct,
        "no_proxy": direct,
    } | ({"AWS_CA_BUNDLE": str(settings.authority)} if https else {})


def no_proxy(environ: Mapping[str, str]) -> str:
    """The proxy exceptions of ``environ`` with this machine added."""
    given = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    entries = [entry.strip() for entry in given.split(",") if entry.strip()]
    return ",".join(dict.fromkeys([*entries, "127.0.0.1", "localhost"]))
