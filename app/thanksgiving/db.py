"""The database: one engine, and sessions that read or write in one transaction."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from thanksgiving.config import Settings
from thanksgiving.observability import DATABASE

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
#: Seconds that a request waits for a connection of the pool, and for SQLite's write lock.
WAIT_SECONDS = 10
POSTGRES_OPTIONS = "-c statement_timeout=10s -c idle_in_transaction_session_timeout=15s"


class Database:
    """Sessions on one engine. Objects stay usable after their session, with what was loaded in it."""

    def __init__(self, settings: Settings) -> None:
        self.engine = make_engine(settings)
        # SQLite has one writer at a time; its own waiting polls, so threads of one worker queue here.
        self._turn = threading.Lock() if settings.sqlite else nullcontext()
        # All queries of a page see the database at one moment.
        consistent = {} if settings.sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reading = self.engine.execution_options(**consistent)
        self._writing = self.engine.execution_options(writes=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that changes nothing."""
        with DATABASE.labels("read").time(), Session(self._reading) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back when an exception leaves it."""
        session = Session(self._writing, expire_on_commit=False)
        with DATABASE.labels("write").time(), self._turn, session, session.begin():
            yield session


def database() -> Database:
    """The database of the current application."""
    current: Database = current_app.extensions["database"]
    return current


def make_engine(settings: Settings, options: str = POSTGRES_OPTIONS) -> Engine:
    """An engine that connects on first use; a connection that broke meanwhile is replaced before it is used."""
    postgres = {"connect_timeout": 3, "keepalives_idle": 30, "options": options}
    engine = create_engine(
        settings.database_url,
        pool_size=settings.database_pool,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_use_lifo=True,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={} if settings.sqlite else postgres,
    )
    if settings.sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # Python's driver begins no transaction by itself
    wait = f"busy_timeout={WAIT_SECONDS * 1000}"
    for pragma in (wait, "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Takes the write lock first: a transaction that reads before it writes could be refused in the middle."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def head() -> str:
    """The newest schema version that this code knows, from the names of its migrations (they sort by number)."""
    return max(path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def schema_version(connection: Connection) -> str:
    """The schema version of the database; empty when it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def unready_because(engine: Engine) -> str:
    """Why the database cannot serve this code now, empty when it can.

    A newer schema is fine: each migration keeps the previous version of the code working, or a
    rollout would turn every old replica unready at once.
    """
    try:
        with engine.connect() as connection:
            version = schema_version(connection)
    except SQLAlchemyError:
        return "the database cannot be reached"
    outdated = f"the database is at schema {version or 'none'}, this version needs {head()}"
    return outdated if version < head() else ""


def init_app(app: Flask, settings: Settings) -> None:
    """Gives the application its database, migrated where the settings ask for it; ends the process when that fails."""
    engine = make_engine(settings)
    app.extensions["database"] = Database(settings)
    if settings.auto_migrate and unready_because(engine):
        from thanksgiving import migrate  # noqa: PLC0415 - Alembic takes a while to import

        try:
            migrate.upgrade(settings)
        except (SQLAlchemyError, OSError) as error:
            cause = " ".join(str(error).split())
            sys.exit(f"thanksgiving cannot start: migrating the database failed: {cause}")
    engine.dispose()  # the application's own has not connected yet: gunicorn forks next
