"""Backs up or restores a database of the application: one file holds all of it, of SQLite or PostgreSQL."""

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import PipelineError, require_choice
from pipeline.core.paths import ROOT, log_file, shown
from pipeline.releases.project import project
from server.start import variables

#: What pg_restore writes from version 17 on, and servers before it refuse.
UNKNOWN_BEFORE_17 = "SET transaction_timeout = 0;\n"
#: How a PostgreSQL archive (pg_dump's custom format) and an SQLite file begin.
POSTGRES_MAGIC = b"PGDMP"
SQLITE_MAGIC = b"SQLite format 3\0"
COUNT_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
DROP_TABLES = """DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP TABLE public.%I CASCADE', name);
  END LOOP;
END $$;
"""


def run(what: str, file: str, *, url: str | None, replace: bool) -> Result:
    require_choice("action", what, ("backup", "restore"))
    path = Path(file)
    return Result(backup(url, path) if what == "backup" else restore(url, path, replace=replace))


def backup(url: str | None, file: Path) -> str:
    """Writes a consistent copy of the database (``DATABASE_URL`` when None) while in use; a file stays."""
    url = _address(url)
    source = _sqlite_file(url)
    if file.exists():
        raise PipelineError(f"{shown(file)} exists", next_step="choose another file")
    if source and not source.exists():
        raise PipelineError(f"there is no {shown(source)}", next_step="check the address")
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        console.progress("back up the database"),
        tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder,
    ):
        partial = Path(folder, file.name)
        partial.touch(0o600)  # it holds names and secret links
        if source:
            _copy_sqlite(source, partial)
        else:
            _postgres("pg_dump", url, "--format=custom", "--no-owner", f"--file={partial}")
        partial.replace(file)
    return f"{file.stat().st_size / 1024:.0f} KiB in {shown(file)}"


def restore(url: str | None, file: Path, *, replace: bool = False) -> str:
    """Puts a backup back, all of it or nothing, and migrates it where its schema is older."""
    url = _address(url)
    target = _sqlite_file(url)
    try:
        with file.open("rb") as source:
            start = source.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise PipelineError(f"cannot read {shown(file)}", next_step="check the name") from error
    if not start.startswith(SQLITE_MAGIC if target else POSTGRES_MAGIC):
        raise PipelineError(
            f"{shown(file)} is not a backup of this kind of database",
            next_step="restore it to the engine that it came from",
        )
    if not replace and not _is_empty(url):
        raise PipelineError(
            "the database is not empty", next_step="add --replace to overwrite all that it holds"
        )
    with console.progress("restore the database"):
        if target:
            _copy_sqlite(file, target)
        else:
            # What is no table, such as the type of a column, would be there twice.
            clean = ["--clean", "--if-exists"]
            written = process.capture(
                [_program("pg_restore"), "--no-owner", *clean, "--file=-", file]
            )
            # In one transaction; a newer schema has tables that the backup does not name.
            options = ("--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-")
            _postgres("psql", url, *options, stdin=f"{DROP_TABLES}{for_any_server(written)}")
    if argv := list(project().migrate):
        names = project().database.assignments
        address = variables({"DATABASE_URL": url, "DATABASE_VARIABLES": names})
        with console.progress("migrate the database"):
            process.run(
                [sys.executable if argv[0] == "python" else argv[0], *argv[1:]],
                log=log_file("migrate"),
                cwd=ROOT / "app",
                # A development environment needs no secret of its own.
                env={**os.environ, "DATABASE_URL": url, **address, "ENVIRONMENT": "development"},
                next_step="the backup is restored: fix the cause, then migrate it",
            )
    return f"restored {shown(file)}"


def for_any_server(sql: str) -> str:
    """A script of ``pg_restore`` without the setting that servers before PostgreSQL 17 do not know."""
    head, _, rest = sql.partition(UNKNOWN_BEFORE_17)
    # The same words further on are data.
    return head + rest if "\nCOPY " not in head else sql


def _address(url: str | None) -> str:
    url = url or os.environ.get("DATABASE_URL", "")
    schemes = ("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")
    with suppress(ValueError):  # of a host in half a pair of brackets
        if url.startswith(schemes) and urlsplit(url):
            return url
    raise PipelineError(
        "neither an SQLite nor a PostgreSQL address" if url else "no database named",
        next_step="set DATABASE_URL, or give --url sqlite:////data/app.db",
    )


def _sqlite_file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None


def _copy_sqlite(source: Path, target: Path) -> None:
    """Page by page through SQLite itself, in one transaction: right with open writers and a WAL."""
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(target, timeout=30)) as write,
        ):
            verdict = read.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            read.backup(write)
    except sqlite3.Error as error:
        raise PipelineError(
            f"{shown(source)} cannot be copied: {error}",
            next_step="check both files; of a damaged backup take an older one",
        ) from error


def _is_empty(url: str) -> bool:
    file = _sqlite_file(url)
    if file is None:
        return _postgres("psql", url, "-tAc", COUNT_TABLES).strip() == "0"
    if not file.exists():
        return True
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _postgres(program: str, url: str, *options: str, stdin: str | None = None) -> str:
    """The output of a client; the password is in its environment, as a command line is no place for it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or "localhost"
    user = parts.username or "postgres"
    address = parts._replace(scheme="postgresql", netloc=f"{user}@{host}").geturl()
    env = {**os.environ, "PGCONNECT_TIMEOUT": "10", "PSQLRC": os.devnull}
    if parts.password:
        env["PGPASSWORD"] = unquote(parts.password)
    argv = [_program(program), f"--dbname={address}", "--no-password", *options]
    return process.capture(argv, env=env, stdin=stdin)


def _program(name: str) -> str:
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    program = installed[-1] if installed else shutil.which(name)
    if program is None:
        raise PipelineError(
            f"{name} is missing",
            next_step="install PostgreSQL's client: apt-get install postgresql-client",
        )
    return program
