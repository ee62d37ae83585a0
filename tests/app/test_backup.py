"""`./inv db backup` and `restore`: a round trip on either database, and what is refused."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from thanksgiving import create_app, migrate

from pipeline.commands import db
from pipeline.core.errors import PipelineError
from pipeline.releases.project import Database, project
from tests.acceptance import journeys
from tests.app import postgres
from tests.app.conftest import browsers, notice, settings_for
from tests.app.servers import Server
from tests.app.test_migrations import downgrade


def test_round_trip(database_url: str, empty_database: str, tmp_path: Path) -> None:
    if ("sqlite" in database_url) != ("sqlite" in empty_database):
        file = tmp_path / "other"
        db.backup(database_url, file)
        with pytest.raises(PipelineError, match="not a backup of this kind"):
            db.restore(empty_database, file)
        return
    app = create_app(settings_for(database_url))
    event = journeys.create_with(browsers(app)())
    journeys.rsvp(browsers(app)(), event.guest_path, "Ann")
    file = tmp_path / "backup"
    # The application is still connected: a backup needs no downtime.
    assert "KiB" in db.backup(database_url, file)
    assert file.stat().st_mode & 0o077 == 0
    later = journeys.create_with(browsers(app)())
    db.restore(empty_database, file)
    copy = create_app(settings_for(empty_database))
    assert "Ann" in browsers(copy)().open(event.guest_path).text
    browsers(copy)().open(later.guest_path, expect=404)
    journeys.create_with(browsers(copy)())
    with pytest.raises(PipelineError, match="not empty"):
        db.restore(empty_database, file)
    copy.extensions["engine"].dispose()
    db.restore(empty_database, file, replace=True)
    again = create_app(settings_for(empty_database))
    assert "Ann" in browsers(again)().open(event.guest_path).text
    for one in (app, again):
        one.extensions["engine"].dispose()


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
    journeys.create_with(browsers(app)())
    app.extensions["engine"].dispose()


def test_after_a_restore_nothing_older_is_shown(
    start: Callable[..., Server], database_url: str, tmp_path: Path
) -> None:
    server, file = start(database_url), tmp_path / "backup"
    event = journeys.create_gathering(server.url)
    person = journeys.Browser(server.url)
    journeys.rsvp(person, event.guest_path, "Ann")
    calendar = person.raw(f"{event.guest_path}/event.ics").text
    db.backup(database_url, file)
    page = journeys.claim(person, event.guest_path, "Turkey")
    stale = {"csrf_token": page.token}
    own = {"name": "Rice", "category": "sides", "portions": "1"}
    number = person.send(page, f"{event.guest_path}/dishes", own).dish("Rice")
    tag = person.raw(event.guest_path).headers["ETag"]
    db.restore(database_url, file, replace=True)
    journeys.claim(person, event.guest_path, "Pumpkin pie")
    person.send(page, f"{event.guest_path}/dishes", {**own, "name": "Beans"})
    once = httpx.Limits(max_keepalive_connections=0)  # a new connection each: both workers answer
    with httpx.Client(cookies=person.client.cookies, limits=once) as client:
        for _ in range(20):
            answer = client.get(event.guest_url, headers={"If-None-Match": tag})
            assert answer.status_code == 200
            shown = journeys.Page(answer)
            assert (shown.count("Turkey"), shown.count("Pumpkin pie")) == ("0 of 1", "1 of 1")
    # The number of what was added after the backup is not given to what is added after the restore.
    answer = person.post(f"{event.guest_path}/dishes/{number}/release", stale)
    assert notice(answer) == "gone"
    assert uid(person.raw(f"{event.guest_path}/event.ics").text) == uid(calendar)


def uid(calendar: str) -> str:
    return next(line for line in calendar.splitlines() if line.startswith("UID:"))


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
