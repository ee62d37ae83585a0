"""`./inv db backup` and `restore`: a round trip on either database, and what is refused."""

from pathlib import Path

import pytest
from thanksgiving import create_app

from pipeline.commands import db
from pipeline.core.errors import PipelineError
from tests.acceptance import journeys
from tests.app.conftest import browsers, settings_for


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
    copy.extensions["database"].engine.dispose()
    db.restore(empty_database, file, replace=True)
    again = create_app(settings_for(empty_database))
    assert "Ann" in browsers(again)().open(event.guest_path).text
    for one in (app, again):
        one.extensions["database"].engine.dispose()


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
    app.extensions["database"].engine.dispose()


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
