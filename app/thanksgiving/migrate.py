"""Brings the schema up to date: ``python -m thanksgiving.migrate``. Safe to run twice, at once, or with older code."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

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

    A database that is already newer is left alone: it belongs to the next version of this code. Raises
    SQLAlchemyError where it cannot be reached within ``wait`` seconds, or a migration fails (and is undone).
    """
    with exclusive(settings, wait) as (connection, alembic):
        before = schema_version(connection)
        if before < (head() if target == "head" else target):
            command.upgrade(alembic, target)
        return before, schema_version(connection)


@contextmanager
def exclusive(
    settings: Settings, wait: float = DATABASE_WAIT
) -> Iterator[tuple[Connection, Config]]:
    """One transaction for all migrations, with a lock that ends with it; raises as ``upgrade`` does."""
    engine = make_engine(settings, "-c lock_timeout=120s").execution_options(writes=True)
    sqlite, deadline = engine.dialect.name == "sqlite", time.monotonic() + wait
    while True:
        try:
            connection = engine.connect()
            break
        except OperationalError:
            if sqlite or time.monotonic() >= deadline:
                raise
            time.sleep(0.5)
    with connection, connection.begin():
        if not sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        alembic = Config(attributes={"connection": connection})
        alembic.set_main_option("script_location", str(MIGRATIONS))
        yield connection, alembic
    engine.dispose()


def explain(error: Exception) -> str:
    """The cause of a failure in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def main() -> int:
    """Migrates the configured database and prints in one line what happened; returns the exit code."""
    try:
        before, after = upgrade(from_environment())
    except ConfigurationError as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 2
    except (SQLAlchemyError, OSError) as error:
        print(f"migrate: failed: {explain(error)}", file=sys.stderr)
        return 1
    is_same = f"nothing to do, the schema is at {after}"
    print("migrate:", is_same if before == after else f"schema {before or 'empty'} -> {after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
