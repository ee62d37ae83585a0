"""Settings from environment variables, checked before anything is served."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

#: Signs cookies while developing; refused everywhere else.
DEVELOPMENT_SECRET = "development-only-secret-key-0123456789"  # noqa: S105 - public on purpose
MINIMUM_SECRET_LENGTH = 32
MAXIMUM_PROXIES = 10


class ConfigurationError(Exception):
    """The environment asks for something that cannot or must not be served; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the application reads from its environment."""

    environment: str
    secret_key: str
    previous_keys: tuple[str, ...]
    database_url: URL
    database_pool: int
    auto_migrate: bool
    trusted_proxies: int
    cookies_always_secure: bool
    write_burst: int
    metrics_token: str
    version: str
    commit: str
    image: str | None

    @property
    def development(self) -> bool:
        """Whether this is a developer's own copy: templates reload and the default secret is accepted."""
        return self.environment == "development"

    @property
    def sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.get_backend_name() == "sqlite"


def from_environment(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads and checks the settings.

    Raises:
        ConfigurationError: A value is missing, malformed or unsafe.
    """
    environment = env.get("ENVIRONMENT") or "production"
    database_url = _database_url(env)
    sqlite = database_url.get_backend_name() == "sqlite"
    if _number(env, "REPLICAS", default=1, low=1, high=1000) > 1 and sqlite:
        raise ConfigurationError(
            f"REPLICAS={env['REPLICAS']} with SQLite: every replica would keep a database of its own"
            " and lose the others' data; set DATABASE_URL to PostgreSQL or run one replica"
        )
    fallbacks = env.get("SECRET_KEY_FALLBACKS", "").split(",")
    return Settings(
        environment=environment,
        secret_key=_secret_key(env, environment),
        previous_keys=tuple(key.strip() for key in fallbacks if key.strip()),
        database_url=database_url,
        database_pool=_number(env, "DATABASE_POOL", default=4, low=1, high=64),
        auto_migrate=_flag(env, "AUTO_MIGRATE", default=sqlite or environment == "development"),
        trusted_proxies=_number(env, "TRUSTED_PROXIES", default=0, low=0, high=MAXIMUM_PROXIES),
        cookies_always_secure=_flag(env, "COOKIES_ALWAYS_SECURE", default=False),
        write_burst=_number(env, "WRITE_BURST", default=60, low=0, high=1_000_000),
        metrics_token=env.get("METRICS_TOKEN", ""),
        version=env.get("APP_VERSION") or "0.0.0",
        commit=env.get("GIT_COMMIT") or "unknown",
        image=env.get("IMAGE_DIGEST") or None,
    )


def _secret_key(env: Mapping[str, str], environment: str) -> str:
    secret = env.get("SECRET_KEY", "")
    if environment == "development":
        return secret or DEVELOPMENT_SECRET
    if not secret:
        raise ConfigurationError(
            f"SECRET_KEY is not set; ENVIRONMENT={environment} needs a secret of its own"
        )
    if secret == DEVELOPMENT_SECRET or len(secret) < MINIMUM_SECRET_LENGTH:
        raise ConfigurationError(
            f"SECRET_KEY is a default or shorter than {MINIMUM_SECRET_LENGTH} characters;"
            " make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return secret


def _database_url(env: Mapping[str, str]) -> URL:
    if text := env.get("DATABASE_URL"):
        try:
            url = make_url(text)
        except ArgumentError as error:
            raise ConfigurationError("DATABASE_URL is not a database URL") from error
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername not in ("postgresql+psycopg", "sqlite"):
            raise ConfigurationError(
                f"DATABASE_URL: {url.drivername} is not supported, use postgresql or sqlite"
            )
        if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
            raise ConfigurationError(
                "DATABASE_URL: SQLite needs a file, one in memory is lost with its connection"
            )
        return url
    host = env.get("DATABASE_HOST")
    if not host:
        return URL.create(
            "sqlite", database=f"{Path(env.get('DATA_DIR') or '/data')}/thanksgiving.db"
        )
    needed = ("DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD")
    if missing := [name for name in needed if not env.get(name)]:
        raise ConfigurationError(f"DATABASE_HOST is set, but {', '.join(missing)} is not")
    return URL.create(
        "postgresql+psycopg",
        username=env["DATABASE_USER"],
        password=env["DATABASE_PASSWORD"],
        host=host,
        port=_number(env, "DATABASE_PORT", default=5432, low=1, high=65535),
        database=env["DATABASE_NAME"],
        query={"sslmode": env.get("DATABASE_SSLMODE") or "prefer"},
    )


def _number(env: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ConfigurationError(f"{name}={text!r} is not a whole number from {low} to {high}")
    return int(text)


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name) or ("1" if default else "0")
    if text not in ("0", "1"):
        raise ConfigurationError(f"{name}={text!r} is neither 0 nor 1")
    return text == "1"
