"""`./inv db backup` and `restore`: a round trip on either database, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from thanksgiving import create_app, migrate

from pipeline.commands import db
from pipeline.core.errors import PipelineError
from tests.acceptance import journeys
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
