"""`./inv db backup` and `restore`: a round trip on either database, and what is refused. No template is read."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from thanksgiving import create_app, migrate
from thanksgiving.models import Base

from pipeline.commands import db
from pipeline.core.errors import PipelineError
from pipeline.releases.project import Database, project
from tests.app import postgres
from tests.app.conftest import laid, settings_for
from tests.app.test_claims import Person, menu
from tests.app.test_migrations import downgrade


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """What is in each table."""
    engine = create_engine(settings_for(url)["DATABASE_URL"])
    try:
        with engine.connect() as connection:
            return {
                table.name: sorted(
                    (tuple(row) for row in connection.execute(table.select())), key=repr
                )
                for table in Base.metadata.sorted_tables
            }
    finally:
        engine.dispose()


def test_round_trip(database_url: str, empty_database: str, tmp_path: Path) -> None:
    if ("sqlite" in database_url) != ("sqlite" in empty_database):
        file = tmp_path / "other"
        db.backup(database_url, file)
        with pytest.raises(PipelineError, match="not a backup of this kind"):
            db.restore(empty_database, file)
        return
    app = create_app(settings_for(database_url))
    ann = Person(app, laid(app).guest_path)
    assert ann.claim(menu(app)["Turkey"]) == "claimed"
    before = rows(database_url)
    file = tmp_path / "backup"
    # The application is still connected: a backup needs no downtime.
    assert "KiB" in db.backup(database_url, file)
    assert file.stat().st_mode & 0o077 == 0
    laid(app)
    db.restore(empty_database, file)
    assert rows(empty_database) == before
    copy = create_app(settings_for(empty_database))
    laid(copy)
    with pytest.raises(PipelineError, match="not empty"):
        db.restore(empty_database, file)
    copy.extensions["engine"].dispose()
    db.restore(empty_database, file, replace=True)
    assert rows(empty_database) == before
    app.extensions["engine"].dispose()


@pytest.mark.engine
def test_what_is_no_table_is_replaced_as_well(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The type of a column, as another application's models have it."""
    monkeypatch.setattr(db, "project", lambda: replace(project(), migrate=()))
    file = tmp_path / "backup"
    url = postgres.create(server, "with_types").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('glad')")
        connection.execute("CREATE TABLE guest (mood mood)")
        connection.execute("INSERT INTO guest VALUES ('glad')")
    db.backup(url, file)
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TYPE mood ADD VALUE 'hungry'")
    db.restore(url, file, replace=True)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT enum_range(NULL::mood)").fetchone() == ("{glad}",)
        assert connection.execute("SELECT mood FROM guest").fetchall() == [("glad",)]


def test_a_script_of_a_newer_client_is_for_older_servers_as_well() -> None:
    newer = "SET lock_timeout = 0;\nSET transaction_timeout = 0;\nCREATE TABLE t ();\nCOPY public.t FROM stdin;\n"
    assert db.for_any_server(newer) == newer.replace("SET transaction_timeout = 0;\n", "")
    words = "SET lock_timeout = 0;\nCOPY public.t FROM stdin;\nSET transaction_timeout = 0;\n\\.\n"
    assert db.for_any_server(words) == words


def test_a_restore_migrates_by_the_variables_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, seen = tmp_path / "old.db", tmp_path / "new.db", tmp_path / "seen"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("CREATE TABLE t (n int)")
    program = (
        f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(os.environ['DB_ADDRESS'])"
    )
    own = replace(
        project(),
        migrate=("python", "-c", program),
        database=Database("sqlite", "sqlite", {"url": "DB_ADDRESS"}),
    )
    monkeypatch.setattr(db, "project", lambda: own)
    db.restore(f"sqlite:///{target}", source)
    assert seen.read_text() == f"sqlite:///{target}"


def test_a_backup_of_an_older_schema_is_migrated(database_url: str, tmp_path: Path) -> None:
    newest, file = settings_for(database_url), tmp_path / "old"
    downgrade(newest, "0001")
    db.backup(database_url, file)
    migrate.upgrade(newest)
    db.restore(database_url, file, replace=True)
    app = create_app(newest)
    assert app.test_client().get("/readyz").status_code == 200
    laid(app)
    app.extensions["engine"].dispose()


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("old")
    with pytest.raises(PipelineError, match="exists"):
        db.backup(f"sqlite:///{tmp_path / 'x.db'}", file)
    assert file.read_text() == "old"


def test_a_damaged_backup_is_refused(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    db.backup(database_url, file)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(PipelineError):
        db.restore(database_url, file, replace=True)
    app = create_app(settings_for(database_url))
    assert app.test_client().get("/readyz").status_code == 200
    app.extensions["engine"].dispose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no database named"),
        ("mysql://x/y", "neither"),
        ("sqlite:////no/where.db", "there is no"),
    ],
)
def test_wrong_addresses(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(PipelineError, match=said):
        db.backup(url, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_backup(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot read"):
        db.restore(f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "none")
