"""Backs up or restores a database of the application: one file holds all of it, of SQLite or PostgreSQL."""

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file, shown
from pipeline.releases.project import project

#: How a PostgreSQL archive (pg_dump's custom format) and an SQLite file begin.
POSTGRES_MAGIC = b"PGDMP"
SQLITE_MAGIC = b"SQLite format 3\0"
DROP_TABLES = """DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP TABLE public.%I CASCADE', name);
  END LOOP;
END $$"""


def run(what: str, file: str, *, url: str | None, replace: bool) -> Result:
    """Does ``backup`` or ``restore``; raises PipelineError as they do, and for another word."""
    if what == "backup":
        return Result(backup(url, Path(file)))
    if what == "restore":
        return Result(restore(url, Path(file), replace=replace))
    raise PipelineError(
        f"there is no action {what!r}", next_step="run ./inv db backup FILE, or restore"
    )


def backup(url: str | None, file: Path) -> str:
    """Writes a consistent copy of the database while it is in use.

    Args:
        url: ``sqlite:////path`` or ``postgresql://…``; ``DATABASE_URL`` when None.
        file: Where to; never overwritten.

    Raises:
        PipelineError: The database or a program is missing, or the file exists.
    """
    url = _address(url)
    if file.exists():
        raise PipelineError(f"{shown(file)} exists", next_step="choose another file")
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(0o600)  # it holds names and secret links
    with console.progress("back up the database"):
        try:
            if url.startswith("sqlite"):
                _copy_sqlite(_sqlite_file(url), partial)
            else:
                _postgres("pg_dump", url, ["--format=custom", "--no-owner", f"--file={partial}"])
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    return f"{file.stat().st_size / 1024:.0f} KiB in {shown(file)}"


def restore(url: str | None, file: Path, *, replace: bool = False) -> str:
    """Puts a backup back, all of it or nothing, and migrates it where its schema is older.

    Args:
        url: As in ``backup``; of the same engine as the backup.
        replace: Overwrite what the database holds; refused without it.

    Raises:
        PipelineError: The backup is missing, damaged or of the other engine, or the database is not empty.
    """
    url = _address(url)
    try:
        with file.open("rb") as source:
            start = source.read(16)
    except OSError as error:
        raise PipelineError(f"cannot read {shown(file)}", next_step="check the name") from error
    wanted = SQLITE_MAGIC if url.startswith("sqlite") else POSTGRES_MAGIC
    if not start.startswith(wanted):
        raise PipelineError(
            f"{shown(file)} is not a backup of this kind of database",
            next_step="restore it to the engine that it came from",
        )
    if not replace and not _is_empty(url):
        raise PipelineError(
            "the database is not empty", next_step="add --replace to overwrite all that it holds"
        )
    with console.progress("restore the database"):
        if url.startswith("sqlite"):
            _check_sqlite(file)
            _copy_sqlite(file, _sqlite_file(url, may_be_new=True))
        else:
            _restore_postgres(url, file)
    _migrate(url)
    return f"restored {shown(file)}"


def _restore_postgres(url: str, file: Path) -> None:
    """Empties the database and restores in one transaction: a newer schema has tables that the backup does not name."""
    with tempfile.TemporaryDirectory(prefix="delivery-restore-") as folder:
        script = f"{folder}/backup.sql"
        argv = [_program("pg_restore"), "--no-owner", f"--file={script}", str(file)]
        process.run(argv, log=log_file("pg_restore"))
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _postgres("psql", url, [*options, f"--command={DROP_TABLES}", f"--file={script}"])


def _migrate(url: str) -> None:
    """Brings the schema of an older backup to what the work tree's application needs."""
    if not (argv := project().migrate):
        return
    program = sys.executable if argv[0] == "python" else argv[0]
    # A development environment needs no secret of its own.
    env = {**os.environ, "DATABASE_URL": url, "ENVIRONMENT": "development"}
    with console.progress("migrate the database"):
        process.run(
            [program, *argv[1:]],
            log=log_file("migrate"),
            cwd=ROOT / "app",
            env=env,
            next_step="the backup is restored: fix the cause, then migrate it",
        )


def _address(url: str | None) -> str:
    url = url or os.environ.get("DATABASE_URL", "")
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")):
        raise PipelineError(
            "no database named" if not url else "neither an SQLite nor a PostgreSQL address",
            next_step="set DATABASE_URL, or give --url sqlite:////data/thanksgiving.db",
        )
    return url


def _sqlite_file(url: str, *, may_be_new: bool = False) -> Path:
    file = Path(url.removeprefix("sqlite:///"))
    if not may_be_new and not file.exists():
        raise PipelineError(f"there is no {shown(file)}", next_step="check the address")
    return file


def _copy_sqlite(source: Path, target: Path) -> None:
    """Page by page through SQLite itself, in one transaction: right with open writers and a WAL."""
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(target, timeout=30)) as write,
        ):
            read.backup(write)
    except sqlite3.Error as error:
        raise PipelineError(f"copying failed: {error}", next_step="check both files") from error


def _check_sqlite(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict != "ok":
        raise PipelineError(
            f"{shown(file)} is damaged: {verdict}", next_step="take an older backup"
        )


def _is_empty(url: str) -> bool:
    if url.startswith("sqlite"):
        file = _sqlite_file(url, may_be_new=True)
        if not file.exists():
            return True
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    address, env = _connection(url)
    query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    argv = [_program("psql"), f"--dbname={address}", "--no-psqlrc", "-tAc", query]
    return process.capture(argv, env=env).strip() == "0"


def _postgres(program: str, url: str, options: list[str]) -> None:
    address, env = _connection(url)
    argv = [_program(program), f"--dbname={address}", "--no-password", *options]
    process.run(argv, log=log_file(program), env=env)


def _connection(url: str) -> tuple[str, dict[str, str]]:
    """The address without its password, which is in the environment: a command line is no place for it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or "localhost"
    address = urlunsplit(
        ("postgresql", f"{parts.username or 'postgres'}@{host}", parts.path, parts.query, "")
    )
    env = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
    if parts.password:
        env["PGPASSWORD"] = unquote(parts.password)
    return address, env


def _program(name: str) -> str:
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    program = str(newest[0]) if newest else shutil.which(name)
    if program is None:
        raise PipelineError(
            f"{name} is missing",
            next_step="install PostgreSQL's client: apt-get install postgresql-client",
        )
    return program
