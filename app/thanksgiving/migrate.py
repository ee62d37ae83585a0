"""Brings the schema up to date: ``python -m thanksgiving.migrate``. Safe to run twice, at once, or with older code."""

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from thanksgiving.config import ConfigurationError, Settings, from_environment
from thanksgiving.db import MIGRATIONS, head, schema_version

#: Any fixed number: every copy of this application asks PostgreSQL for the same lock.
ADVISORY_LOCK = 2_611_1863
#: Seconds to wait for a database that is just starting, and for another replica's migration.
DATABASE_WAIT = 60
LOCK_WAIT = 120


def upgrade(
    settings: Settings, target: str = "head", wait: float = DATABASE_WAIT
) -> tuple[str, str]:
    """Migrates up to ``target`` under a lock and returns the versions before and after.

    A database that is already newer is left alone: it belongs to the next version of this code.

    Raises:
        SQLAlchemyError: The database cannot be reached within ``wait`` seconds, or a migration fails (and is undone).
    """
    with _exclusive(settings, wait) as connection:
        before = schema_version(connection)
        if before < (head() if target == "head" else target):
            command.upgrade(_alembic(connection), target)
        return before, schema_version(connection)


def downgrade(settings: Settings, target: str) -> None:
    """Migrates down to ``target``, ``base`` for an empty database; raises as ``upgrade`` does."""
    with _exclusive(settings, DATABASE_WAIT) as connection:
        command.downgrade(_alembic(connection), target)


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _exclusive(settings: Settings, wait: float) -> Iterator[Connection]:
    """One transaction for all migrations, with a lock that ends with it."""
    engine = create_engine(settings.database_url, hide_parameters=True)
    try:
        if settings.sqlite:
            with Path(f"{settings.database_url.database}.migrating").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with engine.connect() as connection:
                    # Python's driver would otherwise commit before each DDL statement.
                    driver = connection.connection.driver_connection
                    assert driver is not None  # noqa: S101 - for the type checker
                    driver.isolation_level = None
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    yield connection
                    connection.commit()
            return
        with _reachable(engine, wait) as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            yield connection
            connection.commit()
    finally:
        engine.dispose()


def _reachable(engine: Engine, wait: float) -> Connection:
    deadline = time.monotonic() + wait
    while True:
        try:
            return engine.connect()
        except OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)


def main() -> int:
    """Migrates the configured database and says in one line what happened."""
    try:
        before, after = upgrade(from_environment())
    except ConfigurationError as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 2
    except (SQLAlchemyError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        print(f"migrate: failed: {' '.join(str(cause).split())}", file=sys.stderr)
        return 1
    if before == after:
        print(f"migrate: nothing to do, the schema is at {after}")
    else:
        print(f"migrate: schema {before or 'empty'} -> {after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
