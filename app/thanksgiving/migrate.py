"""Brings the schema up to date: ``python -m thanksgiving.migrate``. Safe to run twice, at once, or with older code."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from thanksgiving.config import ConfigurationError, Settings, from_environment
from thanksgiving.db import MIGRATIONS, head, make_engine, schema_version

#: Any fixed number: every copy of this application asks PostgreSQL for the same lock.
ADVISORY_LOCK = 2_611_1863
#: Seconds to wait for a database that is just starting.
DATABASE_WAIT = 60


def upgrade(
    settings: Settings, target: str = "head", wait: float = DATABASE_WAIT
) -> tuple[str, str]:
    """Migrates up to ``target`` under a lock and returns the versions before and after.

    A database that is already newer is left alone: it belongs to the next version of this code.

    Raises:
        SQLAlchemyError: The database cannot be reached within ``wait`` seconds, or a migration fails (and is undone).
    """
    with _exclusive(settings, wait) as (connection, alembic):
        before = schema_version(connection)
        if before < (head() if target == "head" else target):
            command.upgrade(alembic, target)
        return before, schema_version(connection)


def downgrade(settings: Settings, target: str) -> None:
    """Migrates down to ``target``, ``base`` for an empty database; raises as ``upgrade`` does."""
    with _exclusive(settings, DATABASE_WAIT) as (_, alembic):
        command.downgrade(alembic, target)


@contextmanager
def _exclusive(settings: Settings, wait: float) -> Iterator[tuple[Connection, Config]]:
    """One transaction for all migrations, with a lock that ends with it."""
    engine = make_engine(settings, "-c lock_timeout=120s")
    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS))
    try:
        with _reachable(engine, wait) as connection, connection.begin():
            if not settings.sqlite:
                lock = text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
                connection.execute(lock)
            alembic.attributes["connection"] = connection
            yield connection, alembic
    finally:
        engine.dispose()


def _reachable(engine: Engine, wait: float) -> Connection:
    deadline = time.monotonic() + wait
    while True:
        try:
            return engine.connect().execution_options(writes=True)
        except OperationalError:
            if engine.dialect.name == "sqlite" or time.monotonic() >= deadline:
                raise
            time.sleep(0.5)


def main() -> int:
    """Migrates the configured database and prints in one line what happened; returns the exit code."""
    try:
        before, after = upgrade(from_environment())
    except ConfigurationError as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 2
    except (SQLAlchemyError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        print(f"migrate: failed: {' '.join(str(cause).split())}", file=sys.stderr)
        return 1
    is_same = f"nothing to do, the schema is at {after}"
    print("migrate:", is_same if before == after else f"schema {before or 'empty'} -> {after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
