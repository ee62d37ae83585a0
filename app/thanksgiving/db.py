"""The database: one engine, and for each request one session, which is one transaction."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from flask import Flask, current_app, g, request
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from thanksgiving.config import Settings
from thanksgiving.observability import DATABASE

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
READING = {"GET", "HEAD", "OPTIONS"}
#: Seconds that a request waits for a connection of the pool, and for SQLite's write lock.
WAIT_SECONDS = 10
OPTIONS = "-c timezone=UTC -c statement_timeout=10s -c idle_in_transaction_session_timeout=15s"
#: SQLite has one writer at a time; its own waiting polls, so threads of one worker queue here.
_sqlite_turn = threading.Lock()


def init_app(app: Flask) -> None:
    """Gives the application its engine, and ends the transaction of each request."""
    app.extensions["engine"] = make_engine(app.config)

    @app.teardown_appcontext
    def roll_back(_error: BaseException | None) -> None:
        if transaction := g.pop("transaction", None):
            transaction.close()


def session() -> Session:
    """The session of this request. Whoever changes something commits; the end of the request rolls back the rest."""
    if "transaction" not in g:
        engine: Engine = current_app.extensions["engine"]
        reads, sqlite = request and request.method in READING, engine.dialect.name == "sqlite"
        g.transaction = ExitStack()
        g.transaction.enter_context(DATABASE.labels("read" if reads else "write").time())
        if sqlite and not reads:
            g.transaction.enter_context(_sqlite_turn)
        # A page sees the database at one moment. A change takes SQLite's lock first, or it could be refused later.
        consistent = {} if sqlite else {"isolation_level": "REPEATABLE READ"}
        engine = engine.execution_options(**consistent if reads else {"writes": True})
        g.session = g.transaction.enter_context(Session(engine))
    return g.session  # type: ignore[no-any-return]


def make_engine(settings: Settings, options: str = OPTIONS) -> Engine:
    """An engine that connects on first use; a connection that broke meanwhile is replaced before it is used."""
    sqlite = settings["DATABASE_URL"].get_backend_name() == "sqlite"
    postgres = {"connect_timeout": 3, "keepalives_idle": 30, "options": options}
    engine = create_engine(
        settings["DATABASE_URL"],
        pool_size=settings["DATABASE_POOL"],
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={} if sqlite else postgres,
    )
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # Python's driver begins no transaction by itself
    wait = f"busy_timeout={WAIT_SECONDS * 1000}"
    for pragma in (wait, "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def head() -> str:
    """The newest schema version that this code knows, from the names of its migrations (they sort by number)."""
    return max(path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def schema_version(connection: Connection) -> str:
    """The schema version of the database; empty when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def unready_because(engine: Engine) -> str:
    """Why the database cannot serve this code now, empty when it can.

    A newer schema is fine: each migration keeps the previous version of the code working during a rollout.
    """
    try:
        with engine.connect() as connection:
            version = schema_version(connection)
    except SQLAlchemyError:
        return "the database cannot be reached"
    outdated = f"the database is at schema {version or 'none'}, this version needs {head()}"
    return outdated if version < head() else ""
