"""Flask's configuration from environment variables, checked before anything is served."""

import os
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

#: Signs cookies while developing; refused everywhere else.
DEVELOPMENT_SECRET = "development-only-secret-key-0123456789"  # noqa: S105 - public on purpose
MINIMUM_SECRET_LENGTH = 32


Settings = Mapping[str, Any]


class ConfigurationError(Exception):
    """The environment asks for something that cannot or must not be served; the text is one line for the operator."""


def from_environment(env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Reads and checks the settings; docs/application.md describes them.

    Raises:
        ConfigurationError: A value is missing, malformed or unsafe.
    """
    environment = env.get("ENVIRONMENT") or "production"
    development, url = environment == "development", _database_url(env)
    sqlite = url.get_backend_name() == "sqlite"
    if _number(env, "REPLICAS", 1, low=1, high=1000) > 1 and sqlite:
        raise ConfigurationError(
            f"REPLICAS={env['REPLICAS']} with SQLite: every replica would keep a database of its own"
            " and lose the others' data; set DATABASE_URL to PostgreSQL or run one replica"
        )
    fallbacks = map(str.strip, env.get("SECRET_KEY_FALLBACKS", "").split(","))
    return {
        "ENVIRONMENT": environment,
        "TEMPLATES_AUTO_RELOAD": development,
        "SECRET_KEY": _secret_key(env, environment),
        "SECRET_KEY_FALLBACKS": [key for key in fallbacks if key],
        "SESSION_COOKIE_SECURE": _flag(env, "COOKIES_ALWAYS_SECURE", default=False),
        "DATABASE_URL": url,
        "DATABASE_POOL": _number(env, "DATABASE_POOL", 4, low=1, high=64),
        "AUTO_MIGRATE": _flag(env, "AUTO_MIGRATE", default=sqlite or development),
        "TRUSTED_PROXIES": _number(env, "TRUSTED_PROXIES", 0, low=0, high=10),
        "WRITE_BURST": _number(env, "WRITE_BURST", 60, low=0, high=1_000_000),
        "METRICS_TOKEN": env.get("METRICS_TOKEN", ""),
        "APP_VERSION": env.get("APP_VERSION") or "0.0.0",
        "GIT_COMMIT": env.get("GIT_COMMIT") or "unknown",
        "IMAGE_DIGEST": env.get("IMAGE_DIGEST") or None,
    }


def _secret_key(env: Mapping[str, str], environment: str) -> str:
    secret = env.get("SECRET_KEY", "")
    if environment == "development":
        return secret or DEVELOPMENT_SECRET
    if not secret:
        cause = f"SECRET_KEY is not set; ENVIRONMENT={environment} needs a secret of its own"
        raise ConfigurationError(cause)
    if secret == DEVELOPMENT_SECRET or len(secret) < MINIMUM_SECRET_LENGTH:
        raise ConfigurationError(
            f"SECRET_KEY is a default or shorter than {MINIMUM_SECRET_LENGTH} characters;"
            " make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return secret


def _database_url(env: Mapping[str, str]) -> URL:
    if not env.get("DATABASE_URL"):
        return _database_in_parts(env)
    try:
        url = make_url(env["DATABASE_URL"])
    except ArgumentError as error:
        raise ConfigurationError("DATABASE_URL is not a database URL") from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        cause = f"DATABASE_URL: {url.drivername} is not supported, use postgresql or sqlite"
        raise ConfigurationError(cause)
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        cause = "DATABASE_URL: SQLite needs a file, one in memory is lost with its connection"
        raise ConfigurationError(cause)
    return url


def _database_in_parts(env: Mapping[str, str]) -> URL:
    if not env.get("DATABASE_HOST"):
        return URL.create("sqlite", database=f"{env.get('DATA_DIR') or '/data'}/thanksgiving.db")
    needed = ("DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD")
    if missing := [name for name in needed if not env.get(name)]:
        raise ConfigurationError(f"DATABASE_HOST is set, but {', '.join(missing)} is not")
    return URL.create(
        "postgresql+psycopg",
        username=env["DATABASE_USER"],
        password=env["DATABASE_PASSWORD"],
        host=env["DATABASE_HOST"],
        port=_number(env, "DATABASE_PORT", 5432, low=1, high=65535),
        database=env["DATABASE_NAME"],
        query={"sslmode": env.get("DATABASE_SSLMODE") or "prefer"},
    )


def _number(env: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ConfigurationError(f"{name}={text!r} is not a whole number from {low} to {high}")
    return int(text)


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name) or str(int(default))
    if text not in ("0", "1"):
        raise ConfigurationError(f"{name}={text!r} is neither 0 nor 1")
    return text == "1"
