"""The application under test: in this process or as gunicorn runs it, on SQLite or on a real PostgreSQL."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from sqlalchemy.orm import Session
from thanksgiving import create_app, migrate
from thanksgiving.config import from_environment
from thanksgiving.db import session
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


@pytest.fixture
def app(database_url: str, compiled: BytecodeCache) -> Iterator[Flask]:
    """The application on each kind of database."""
    made = create_app(settings_for(database_url))
    made.jinja_env.bytecode_cache = compiled
    yield made
    made.extensions["engine"].dispose()


@pytest.fixture
def lite(migrated_sqlite: Path, tmp_path: Path, compiled: BytecodeCache) -> Iterator[Flask]:
    """The application on SQLite alone, for what has nothing to do with the database."""
    made = create_app(settings_for(sqlite_copy(migrated_sqlite, tmp_path)))
    made.jinja_env.bytecode_cache = compiled
    yield made
    made.extensions["engine"].dispose()


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
def event(new_browser: journeys.NewBrowser) -> journeys.Gathering:
    """A gathering with Turkey (1), Mashed potatoes (2) and Pumpkin pie (1)."""
    return journeys.create_with(new_browser())


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
