"""gunicorn with its production settings, of which no page is asked: starting, refusing to, keep-alive, stopping."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from thanksgiving import create_app

from tests.app import servers
from tests.app.conftest import SECRET, laid, settings_for, sqlite_copy

Start = Callable[..., servers.Server]
#: gunicorn gives a worker that still begins as long as one that serves: 20 seconds, when another has failed.
IMPATIENT = {"GUNICORN_CMD_ARGS": "--graceful-timeout=1"}


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> str:
    return sqlite_copy(migrated_sqlite, tmp_path)


@pytest.fixture(scope="module")
def server(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server]:
    """A server whose port is that of ``PORT``, for what changes nothing."""
    folder = tmp_path_factory.mktemp("server")
    built = {"IMAGE_DIGEST": "sha256:abc", "APP_VERSION": "1.2.3", "GIT_COMMIT": "f00"}
    settings = {"SECRET_KEY": SECRET, "DATABASE_URL": sqlite_copy(migrated_sqlite, folder)}
    started = servers.start(folder, settings | built, by_setting=True)
    yield started
    started.kill()


def test_a_server_leaves_no_folder_behind(start: Start, database: str, tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    for env in ({}, {"SECRET_KEY": "", **IMPATIENT}):  # it ends, or never begins
        server = start(database, ready=not env, TMPDIR=str(folder), **env)
        assert not env or server.process.wait(servers.STOP_SECONDS)
        server.terminate()
        server.process.wait(servers.STOP_SECONDS)
    assert list(folder.iterdir()) == []


def test_the_port_is_a_setting(server: servers.Server) -> None:
    assert server.answers("/healthz") == 200


def test_version(server: servers.Server) -> None:
    answer = httpx.get(f"{server.url}/version").json()
    hostname = answer.pop("hostname")
    assert hostname
    expected = {"version": "1.2.3", "commit": "f00", "image": "sha256:abc", "environment": "test"}
    assert answer == expected


def test_a_connection_outlives_the_balancers_idle_timeout(server: servers.Server) -> None:
    namespace: dict[str, object] = {}
    source = (servers.APP / "gunicorn.conf.py").read_text()
    for name in ("keepalive", "graceful_timeout", "worker_class"):
        found = re.search(rf"^{name} = (.+)$", source, re.M)
        assert found
        namespace[name] = found[1]
    assert int(str(namespace["keepalive"])) > 60
    assert 5 + int(str(namespace["graceful_timeout"])) < 60
    # And it is really kept: gunicorn's default worker would have closed it.
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    for _ in range(3):
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        assert answer.getheader("Connection") == "keep-alive"
        time.sleep(0.3)
    connection.close()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY is a default"),
        ({"REPLICAS": "2"}, "every replica would keep a database of its own"),
        ({"DATABASE_URL": "sqlite://"}, "SQLite needs a file"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.db"}, "migrating the database failed"),
    ],
)
def test_refuses_to_start(tmp_path: Path, database: str, env: dict[str, str], said: str) -> None:
    settings = {"SECRET_KEY": "x" * 40, "DATABASE_URL": database, **IMPATIENT, **env}
    server = servers.start(tmp_path, settings, ready=False)
    assert server.process.wait(servers.STOP_SECONDS) != 0
    assert said in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_stopping_turns_unready_serves_on_finishes_and_logs_json_to_the_last_line(
    start: Start, database: str
) -> None:
    server = start(database, DRAIN_SECONDS="3")
    calendar = f"{laid(create_app(settings_for(database))).guest_path}/event.ics"
    kept = httpx.Client(base_url=server.url)
    assert kept.get("/healthz").status_code == 200
    server.terminate()
    servers.wait_until(server, "/readyz", status=503)
    assert kept.get("/readyz").text == "stopping\n"
    # The balancer has not noticed yet: new and old connections are served.
    assert httpx.get(f"{server.url}{calendar}").status_code == 200
    assert kept.get(calendar).status_code == 200
    assert server.answers("/healthz") == 200
    assert server.process.poll() is None
    assert server.process.wait(servers.STOP_SECONDS) == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert any(line.get("route") == "/g/<token>/event.ics" for line in lines)
