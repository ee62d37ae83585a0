"""The application under test: in this process or as gunicorn runs it, on SQLite or on a real PostgreSQL."""

import logging.config
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from sqlalchemy.orm import Session
from thanksgiving import create_app, gatherings, migrate
from thanksgiving.config import from_environment
from thanksgiving.db import session
from thanksgiving.models import new_token, now
from thanksgiving.observability import LOGGING, Formatter
from werkzeug.test import TestResponse

from tests.acceptance import journeys
from tests.app import postgres, servers

SECRET = "a-secret-for-tests-only-0123456789abcdef"


def settings_for(database: str, **env: str) -> dict[str, Any]:
    """Production-like settings on a database address; writes are not limited."""
    base = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": database,
        "AUTO_MIGRATE": "0",
        "WRITE_BURST": "0",
    }
    return from_environment({**base, **env})


@contextmanager
def transaction(app: Flask) -> Iterator[Session]:
    """The database beside the requests; what is changed is committed unless an exception leaves it."""
    with app.app_context():
        yield session()
        session().commit()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a PostgreSQL without database, started once."""
    with postgres.running() as address:
        yield address


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest schema, to be copied."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    migrate.upgrade(settings_for(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_postgres(server: str) -> str:
    """The name of a database with the newest schema, to be copied."""
    migrate.upgrade(settings_for(postgres.create(server, "template_migrated")))
    return "template_migrated"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return postgres.create(request.getfixturevalue("server"), f"empty_{secrets.token_hex(4)}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a migrated database of each kind."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("migrated_sqlite"), tmp_path)
    return postgres_copy(request)


def postgres_copy(request: pytest.FixtureRequest) -> str:
    """The address of a fresh copy of the migrated PostgreSQL database."""
    template = request.getfixturevalue("migrated_postgres")
    name = f"app_{secrets.token_hex(4)}"
    return postgres.create(request.getfixturevalue("server"), name, template=template)


def sqlite_copy(template: Path, folder: Path) -> str:
    """The address of a fresh copy."""
    return f"sqlite:///{shutil.copy(template, folder / 'app.db')}"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates as compiled by the first application of the session: half of a test's time otherwise."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)])
def app(request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The application on each kind of database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("lite")
        return
    made = create_app(settings_for(postgres_copy(request)))
    made.jinja_env.bytecode_cache = request.getfixturevalue("compiled")
    yield made
    made.extensions["engine"].dispose()


@pytest.fixture(autouse=True)
def no_logging_left() -> Iterator[None]:
    """An application sets the logging of the process, to an output that the next test does not have any more."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each.formatter, Formatter)]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory, compiled: BytecodeCache) -> Flask:
    """The application on SQLite, made once: its routes and statements take longer than most tests."""
    made = create_app(settings_for(f"sqlite:///{tmp_path_factory.mktemp('database') / 'app.db'}"))
    made.jinja_env.bytecode_cache = compiled
    return made


@pytest.fixture
def lite(on_sqlite: Flask, migrated_sqlite: Path) -> Iterator[Flask]:
    """The application on a fresh SQLite alone, for what has nothing to do with the database."""
    put(migrated_sqlite, on_sqlite)
    logging.config.dictConfig(LOGGING)  # as when it is made: to the output of this test
    yield on_sqlite
    on_sqlite.extensions["engine"].dispose()


def put(template: Path, app: Flask) -> None:
    """Gives the application a fresh copy of an SQLite file."""
    app.extensions["engine"].dispose()
    file = Path(app.config["DATABASE_URL"].database)
    # A new file, not the old one's content: something may still have that open.
    for old in file.parent.iterdir():
        old.unlink()
    shutil.copy(template, file)


@pytest.fixture(scope="session")
def laid_table(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, journeys.Gathering]:
    """An SQLite file with a gathering, made in a browser and to be copied, and that gathering."""
    file = tmp_path_factory.mktemp("laid") / "app.db"
    shutil.copy(migrated_sqlite, file)
    made = create_app(settings_for(f"sqlite:///{file}"))
    gathering = journeys.create_with(browsers(made)())
    made.extensions["engine"].dispose()
    return file, gathering


@pytest.fixture
def dinner(lite: Flask, laid_table: tuple[Path, journeys.Gathering]) -> journeys.Gathering:
    """A gathering of its own with Turkey (1), Mashed potatoes (2) and Pumpkin pie (1), on SQLite."""
    file, gathering = laid_table
    put(file, lite)
    return gathering


def laid(app: Flask) -> journeys.Gathering:
    """As ``dinner``, added as /new does it, but by no page."""
    token = new_token()
    menu = (("mains", "Turkey", 1), ("sides", "Mashed potatoes", 2), ("desserts", "Pumpkin pie", 1))
    wishes = [dict(zip(("category", "name", "wanted"), wish, strict=True)) for wish in menu]
    details = {"title": "Dinner", "timezone": "America/New_York", "place": "Home", "note": ""}
    start = now() + timedelta(days=30)
    gathering = gatherings.new_gathering(token, wishes, starts_at=start, **details)
    guest_token = gathering.guest_token
    with transaction(app) as session:
        session.add(gathering)
    return journeys.Gathering(
        "Dinner", f"http://app.test/o/{token}", f"http://app.test/g/{guest_token}"
    )


def notice(answer: httpx.Response | TestResponse) -> str:
    """The key of the notice that a form was answered with."""
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["Location"]).query)["notice"][0]


def browsers(app: Flask) -> journeys.NewBrowser:
    """People with a browser each, talking to the application in this process."""

    def new_browser() -> journeys.Browser:
        transport = httpx.WSGITransport(app=app, raise_app_exceptions=True)
        return journeys.Browser("http://app.test", transport=transport)

    return new_browser


@pytest.fixture
def new_browser(app: Flask) -> journeys.NewBrowser:
    """People using the application on each kind of database."""
    return browsers(app)


@pytest.fixture
def event(request: pytest.FixtureRequest, app: Flask) -> journeys.Gathering:
    """As ``dinner``, on each kind of database."""
    if app.extensions["engine"].dialect.name == "sqlite":
        gathering: journeys.Gathering = request.getfixturevalue("dinner")
        return gathering
    return journeys.create_with(browsers(app)())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., servers.Server]]:
    """Starts gunicorn as in production; ends what is left afterwards."""
    started: list[servers.Server] = []

    def begin(
        database: str, *, ready: bool = True, by_setting: bool = False, **env: str
    ) -> servers.Server:
        one = servers.start(
            tmp_path,
            {"SECRET_KEY": SECRET, "DATABASE_URL": database, "WRITE_BURST": "0", **env},
            ready=ready,
            by_setting=by_setting,
        )
        started.append(one)
        return one

    yield begin
    for one in started:
        one.kill()
