"""The schema: up and down, by two at once, by older code on a newer schema, and as the models say."""

import io
import os
import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError
from thanksgiving import create_app, migrate
from thanksgiving.db import MIGRATIONS, head, make_engine, schema_version, unready_because
from thanksgiving.models import Base

from tests.acceptance import journeys
from tests.app import servers
from tests.app.conftest import SECRET, browsers, settings_for

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = sorted(path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def tables(url: str) -> set[str]:
    engine = create_engine(settings_for(url)["DATABASE_URL"])
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def downgrade(settings: dict[str, Any], target: str) -> None:
    with migrate.exclusive(settings) as (_, alembic):
        command.downgrade(alembic, target)


def test_up_and_down_step_by_step(empty_database: str) -> None:
    settings = settings_for(empty_database)
    before = [tables(empty_database)]
    for version in VERSIONS:
        assert migrate.upgrade(settings, version)[1] == version
        before.append(tables(empty_database))
    assert len(before[-1]) > len(before[1]) > 1
    for version, expected in zip([*VERSIONS[:-1][::-1], "base"], before[:-1][::-1], strict=True):
        downgrade(settings, version)
        assert tables(empty_database) - {"alembic_version"} == expected - {"alembic_version"}
    assert migrate.upgrade(settings) == ("", VERSIONS[-1])


def test_the_models_say_what_the_migrations_do(empty_database: str) -> None:
    settings = settings_for(empty_database)
    migrate.upgrade(settings)
    engine = create_engine(settings["DATABASE_URL"])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_every_migration_can_be_undone_and_is_numbered() -> None:
    assert [f"{number:04}" for number in range(1, len(VERSIONS) + 1)] == VERSIONS
    assert head() == VERSIONS[-1]
    for file in MIGRATIONS.glob("versions/[0-9]*_*.py"):
        assert re.search(r"def downgrade\(\) -> None:\n(?!    pass)", file.read_text())


def test_twice_is_once(empty_database: str) -> None:
    settings = settings_for(empty_database)
    assert migrate.upgrade(settings) == ("", head())
    assert migrate.upgrade(settings) == (head(), head())


def test_two_replicas_at_once_migrate_once(empty_database: str) -> None:
    env = {
        **os.environ,
        "SECRET_KEY": SECRET,
        "DATABASE_URL": empty_database,
        "ENVIRONMENT": "test",
    }

    def one(_: int) -> str:
        argv = [sys.executable, "-m", "thanksgiving.migrate"]
        done = subprocess.run(
            argv, cwd=servers.APP, env=env, capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout.strip()

    with ThreadPoolExecutor(3) as pool:
        said = sorted(pool.map(one, range(3)))
    assert said[0].startswith("migrate: nothing to do")
    assert said[1].startswith("migrate: nothing to do")
    assert said[2] == f"migrate: schema empty -> {head()}"


def test_a_failed_migration_leaves_nothing_behind(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(config: object, _target: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise OperationalError("broken", {}, Exception("broken"))

    monkeypatch.setattr("alembic.command.upgrade", half)
    with pytest.raises(OperationalError):
        migrate.upgrade(settings_for(empty_database))
    assert "half" not in tables(empty_database)


def test_readiness_follows_the_schema(empty_database: str) -> None:
    settings = settings_for(empty_database)
    engine = make_engine(settings)
    assert unready_because(engine) == f"the database is at schema none, this version needs {head()}"
    migrate.upgrade(settings, VERSIONS[0])
    assert f"at schema {VERSIONS[0]}" in (unready_because(engine))
    migrate.upgrade(settings)
    assert unready_because(engine) == ""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert unready_because(engine) == "", "an old replica must stay ready while a new one rolls out"
    assert migrate.upgrade(settings) == ("9999", "9999"), "a rolled back image must not fail on it"
    engine.dispose()


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:9/none"
    with pytest.raises(OperationalError):
        migrate.upgrade(settings_for(url), wait=0.1)
    assert unready_because(make_engine(settings_for(url))) == "the database cannot be reached"


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({"DATABASE_URL": "mysql://x/y"}, 2, "not supported"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.db"}, 1, "failed"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    env: dict[str, str], code: int, said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("SECRET_KEY", SECRET)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert migrate.main() == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_command_migrates(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", empty_database)
    assert migrate.main() == 0
    assert migrate.main() == 0
    assert "nothing to do" in capsys.readouterr().out


def test_the_application_migrates_when_told_to(empty_database: str) -> None:
    app = create_app(settings_for(empty_database, AUTO_MIGRATE="1"))
    assert app.test_client().get("/readyz").status_code == 200
    app.extensions["engine"].dispose()


def previous_release(folder: Path) -> Path:
    """The application as it was just before the newest migration came, from Git's history."""

    def git(*arguments: str) -> bytes:
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, check=True
        ).stdout

    newest = next(MIGRATIONS.glob(f"versions/{head()}_*.py")).relative_to(ROOT)
    before = git("log", "--diff-filter=A", "--format=%P", "--", str(newest)).decode().split()
    if not before:
        pytest.skip("no commit before the newest migration: it is new, or the history begins later")
    archive = git("archive", before[-1], "app")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "app"


@pytest.mark.engine
def test_the_previous_version_works_on_the_new_schema(database_url: str, tmp_path: Path) -> None:
    """Expand, then contract: while a new version rolls out, the old one still serves."""
    old = previous_release(tmp_path / "old")
    env = {"SECRET_KEY": SECRET, "DATABASE_URL": database_url, "PYTHONPATH": str(old)}
    server = servers.start(tmp_path, env, chdir=old)
    try:
        event = journeys.create_gathering(server.url)
        person = journeys.Browser(server.url)
        journeys.rsvp(person, event.guest_path, "Ann")
        page = journeys.claim(person, event.guest_path, "Turkey")
        assert page.count("Turkey") == "1 of 1"
    finally:
        server.kill()
    new = browsers(create_app(settings_for(database_url)))()
    assert "Ann" in new.open(event.guest_path).text


def test_schema_version_of_nothing(empty_database: str) -> None:
    engine = make_engine(settings_for(empty_database))
    with engine.connect() as connection:
        assert schema_version(connection) == ""
    engine.dispose()
