"""The roles of the workflows, by the names that bootstrap gives them."""

import json

from pipeline.releases import environments
from pipeline.releases.project import project


def arn(kind: str, environment: str) -> str:
    """The ARN of an environment's role: ``plan``, ``read`` or ``apply``."""
    account = environments.load(environment).raw["aws"]["account_id"]
    return f"arn:aws:iam::{account}:role/github/{project().name}-{kind}-{environment}"


def variable() -> str:
    """The repository's variable AWS_ROLES: the roles that no GitHub environment names, by kind and environment."""
    names = environments.deployed()
    return json.dumps(
        {kind: {name: arn(kind, name) for name in names} for kind in ("plan", "read")}
    )
