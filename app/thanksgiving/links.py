"""Secret links: a random token in the URL, its SHA-256 in the database.

A look-up by digest takes the same time however much of a guessed token is right, and for a wrong, a
revoked and a right one.
"""

import hashlib
import secrets

TOKEN_BYTES = 18


def new_token() -> str:
    """A token of 24 URL-safe characters that nobody can guess (144 bits)."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """What the database keeps of a token: 64 hex digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
