"""Identity tokens with the claims of GitHub's, unsigned: the local AWS does not check signatures."""

import base64
import json
import time
from typing import Any

ISSUER = "https://token.actions.githubusercontent.com"
LIFETIME_SECONDS = 300
#: GitHub's ids of the owner and of the repository.
OWNER_ID = "1100"
REPOSITORY_ID = "2200"


def subject(
    repository: str,
    *,
    environment: str = "",
    event: str = "push",
    ref: str = "refs/heads/main",
    immutable: bool = True,
) -> str:
    """The subject for the trust of a role: the environment, else pull request, else the branch.

    Args:
        immutable: With ids, as of repositories since 15 July 2026; without, as of older ones.
    """
    owner, _, name = repository.partition("/")
    prefix = f"{owner}@{OWNER_ID}/{name}@{REPOSITORY_ID}" if immutable else repository
    if environment:
        return f"repo:{prefix}:environment:{environment}"
    if event == "pull_request":
        return f"repo:{prefix}:pull_request"
    return f"repo:{prefix}:ref:{ref}"


def token(
    repository: str,
    audience: str,
    sub: str,
    repository_id: str = REPOSITORY_ID,
    ref: str = "refs/heads/main",
    **claims: str,
) -> str:
    """A JSON Web Token with GitHub's claims about a repository, and those of a job that are given."""
    now = int(time.time())
    content: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": sub,
        "ref": ref,
        "repository": repository,
        "repository_id": repository_id,
        "repository_owner": repository.partition("/")[0],
        "repository_owner_id": OWNER_ID,
        "iat": now,
        "nbf": now - 60,
        "exp": now + LIFETIME_SECONDS,
        "jti": f"{now}-{sub}",
        **claims,
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": "stand-in"}
    return ".".join([_part(header), _part(content), _encoded(b"not signed")])


def _part(content: dict[str, Any]) -> str:
    return _encoded(json.dumps(content, separators=(",", ":")).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
