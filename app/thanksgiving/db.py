"""The database.

One pool, reads that commit nothing, writes in one transaction, both retried once after a lost
connection.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

from sqlalchemy import (
    Connection,
    Delete,
    Dialect,
    Engine,
    Insert,
    Select,
    TextClause,
    Update,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from thanksgiving import metrics
from thanksgiving.config import Settings
from thanksgiving.models import SQLITE_PLACES

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete | TextClause
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
#: What to do with a driver's connection, a statement and its arguments.
OnDriver = Callable[[Any, str, Any], T]

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
POOL_WAIT = 10
#: A statement that takes longer than this many milliseconds is ended by PostgreSQL.
STATEMENT_TIMEOUT_MS = 10_000
POSTGRES_ARGUMENTS = {
    "connect_timeout": 3,
    "application_name": "thanksgiving",
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=15000",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class AtOnce(NamedTuple):
    """One change that is a single statement, on each kind of database."""

    postgresql: TextClause
    sqlite: TextClause


class Database:
    """A pool of autocommit connections; ``write`` opens its transactions itself.

    Autocommit spares a read the two extra round trips of BEGIN and ROLLBACK.
    """

    def __init__(self, settings: Settings) -> None:
        self.engine = make_engine(settings)
        self._sqlite = settings.sqlite
        self._driver: Any = self.engine.dialect.loaded_dbapi

    def read(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` with a connection outside a transaction."""
        return self._timed("read", work)

    def first(self, query: Select[*Ts], **values: object) -> tuple[*Ts] | None:
        """The first row of a query that is the same for every request but for its ``values``."""
        found: tuple[*Ts] | None = self._alone("read", query, values, _first)
        return found

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in one transaction: committed when it returns, rolled back when it raises."""

        def in_transaction(connection: Connection) -> T:
            with self._transaction(connection):
                return work(connection)

        return self._timed("write", in_transaction)

    def write_at_once(self, change: AtOnce, values: Mapping[str, object]) -> bool:
        """Tries a change that is one statement and commits by itself; whether it changed anything.

        False gives no reason: its conditions do not hold, a row stands in its way, or it was
        committed just when the connection broke and the second try found it done. So it is for
        what may be asked twice.
        """
        statement, do = (
            (change.sqlite, _changed_view) if self._sqlite else (change.postgresql, _changed)
        )
        try:
            return self._alone("write", statement, values, do)
        except (IntegrityError, self._driver.IntegrityError):
            return False

    def _alone(
        self, kind: str, statement: Statement, values: Mapping[str, object], do: OnDriver[T]
    ) -> T:
        """A statement without SQLAlchemy, whose part takes longer than the statement; every page starts with one.

        Whatever goes wrong there goes the usual way instead.
        """
        started = perf_counter()
        try:
            connection = self.engine.raw_connection()
            try:
                found = do(
                    connection.info.get("cursor", connection.driver_connection),
                    *_for_driver(statement, values, self.engine.dialect),
                )
            except self._driver.IntegrityError:
                connection.close()
                raise
            except BaseException:
                connection.invalidate()
                raise
            connection.close()
            return found
        except self._driver.IntegrityError:
            raise
        except (self._driver.Error, SQLAlchemyError):
            return self._retried(lambda c: _on_driver(c, statement, values, do))
        finally:
            metrics.database_seconds(kind).observe(perf_counter() - started)

    def _timed(self, kind: str, work: Callable[[Connection], T]) -> T:
        started = perf_counter()
        try:
            return self._retried(work)
        finally:
            metrics.database_seconds(kind).observe(perf_counter() - started)

    def _retried(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                return work(connection)
        except CommitUncertainError as error:
            raise error.cause from error
        except DBAPIError as error:
            # A pooled connection that the database closed meanwhile (restart, failover): nothing was committed.
            if not error.connection_invalidated:
                raise
        with self.engine.connect() as connection:
            return work(connection)

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[None]:
        lock = connection.info.get("write_lock")
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self._sqlite else "BEGIN")
            try:
                yield
            except BaseException:
                if not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")
                raise
            try:
                connection.exec_driver_sql("COMMIT")
            except DBAPIError as error:
                raise CommitUncertainError(error) from error
        finally:
            if lock is not None:
                fcntl.flock(lock, fcntl.LOCK_UN)


class CommitUncertainError(Exception):
    """The connection broke during COMMIT: the work may be done, so it is not tried again."""

    def __init__(self, cause: DBAPIError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def run(
    connection: Connection,
    statement: Statement,
    values: Mapping[str, object],
) -> DBAPICursor:
    """Runs a statement that is built once, where ``Database`` writes, straight on the driver.

    For changes that others wait for: what SQLAlchemy does around a statement takes longer than the
    statement. Values are passed as they are, so columns with a type of our own do not belong here.

    Raises:
        DBAPIError: As SQLAlchemy raises it.
    """
    return _on_driver(connection, statement, values, _execute)


def _on_driver(
    connection: Connection, statement: Statement, values: Mapping[str, object], do: OnDriver[T]
) -> T:
    sql, arguments = _for_driver(statement, values, connection.dialect)
    try:
        return do(connection.connection.driver_connection, sql, arguments)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(error, sql, connection) from error


def _execute(driver: Any, sql: str, arguments: object) -> DBAPICursor:
    cursor: DBAPICursor = driver.execute(sql, arguments)
    return cursor


def _first(driver: Any, sql: str, arguments: object) -> Any:
    return driver.execute(sql, arguments).fetchone()


def _changed(driver: Any, sql: str, arguments: object) -> bool:
    return bool(driver.execute(sql, arguments).rowcount > 0)


def _changed_view(driver: Any, sql: str, arguments: object) -> bool:
    before = driver.total_changes  # SQLite's cursor does not count what a trigger changes
    driver.execute(sql, arguments)
    return bool(driver.total_changes > before)


_compiled: dict[tuple[object, str], tuple[str, dict[str, Any], list[str] | None]] = {}


def _for_driver(
    statement: Statement,
    values: Mapping[str, object],
    dialect: Dialect,
) -> tuple[str, Any]:
    """The statement as the driver takes it, compiled when it is first seen, and its arguments."""
    if (statement, dialect.name) not in _compiled:
        compiled = statement.compile(dialect=dialect)
        parts = (compiled.string, compiled.params, compiled.positiontup)
        _compiled[statement, dialect.name] = parts
    sql, defaults, names = _compiled[statement, dialect.name]
    arguments = {**defaults, **values}
    return sql, arguments if names is None else [arguments[name] for name in names]


def _wrapped(error: Any, sql: str, connection: Connection) -> StatementError:
    """What SQLAlchemy makes of a driver's error, with the connection given up when it is lost."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection.driver_connection, None)
    if lost:
        connection.invalidate(error)
        connection.engine.dispose()  # what ended this connection has ended those in the pool too
    driver_error = dialect.loaded_dbapi.Error
    usual: StatementError = DBAPIError.instance(
        sql, None, error, driver_error, connection_invalidated=lost, dialect=dialect
    )
    return usual


def make_engine(settings: Settings) -> Engine:
    """An engine with a connection for every thread of a worker; it connects on first use."""
    if not settings.sqlite:
        engine = create_engine(
            settings.database_url,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_size=settings.threads,
            max_overflow=0,
            pool_timeout=POOL_WAIT,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args=POSTGRES_ARGUMENTS,
        )
        event.listen(engine, "connect", _keep_cursor)
        return engine
    engine = create_engine(
        settings.database_url,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=settings.threads,
        max_overflow=0,
        pool_timeout=POOL_WAIT,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "close", _close_lock)
    return engine


def _keep_cursor(connection: Any, record: Any) -> None:
    """Keeps one cursor of psycopg for what is a single statement: making one takes a fifth of its time."""
    record.info["cursor"] = connection.cursor()


def _prepare_sqlite(connection: Any, record: Any) -> None:
    """Sets the pragmas, makes the view of ``write_at_once`` and opens the write lock.

    Transactions queue at a file lock, which wakes the next one at once; SQLite's own busy handler
    sleeps and polls. That is enough for a single statement, which holds the lock for some
    microseconds.
    """
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    for pragma in (
        "busy_timeout=10000",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(SQLITE_PLACES)
    record.info["write_lock"] = os.open(
        f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )


def _close_lock(_connection: Any, record: Any) -> None:
    if (lock := record.info.pop("write_lock", None)) is not None:
        os.close(lock)


def head() -> str:
    """The newest schema version that this code knows, from the names of its migrations (they sort by number)."""
    return max(path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def schema_version(connection: Connection) -> str:
    """The schema version of the database; empty when it was never migrated.

    Raises:
        SQLAlchemyError: The database cannot be reached.
    """
    tables = {
        "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'",
        "postgresql": "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL",
    }
    if connection.execute(text(tables[connection.dialect.name])).first() is None:
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def unready_because(database: Database) -> str | None:
    """Why the database cannot serve this code now, or None when it can.

    A newer schema is fine: each migration keeps the previous version of the code working, or a
    roll-out would turn every old replica unready at once.
    """
    try:
        version = database.read(schema_version)
    except SQLAlchemyError:
        return "the database cannot be reached"
    if version < head():
        return f"the database is at schema {version or 'none'}, this version needs {head()}"
    return None
