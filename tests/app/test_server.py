"""gunicorn with its production settings: starting, stopping, two workers, keep-alive, a database that goes away."""

import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.acceptance import journeys
from tests.app import servers
from tests.app.conftest import SECRET, settings_for, sqlite_copy

Start = Callable[..., servers.Server]


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> str:
    return sqlite_copy(migrated_sqlite, tmp_path)


@pytest.fixture(scope="module")
def shared(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server]:
    """A server that goes on: three processes of Python begin for each one."""
    folder = tmp_path_factory.mktemp("server")
    env = {"SECRET_KEY": SECRET, "DATABASE_URL": sqlite_copy(migrated_sqlite, folder)}
    started = servers.start(folder, {**env, "WRITE_BURST": "0"})
    yield started
    started.kill()


def metric(server: servers.Server, line: str) -> float:
    found = re.search(
        rf"^{re.escape(line)} ([0-9.e+]+)$", servers.CLIENT.get(f"{server.url}/metrics").text, re.M
    )
    return float(found[1]) if found else 0


def test_the_acceptance_test_passes_and_fails_by_its_exit_code(shared: servers.Server) -> None:
    command = [sys.executable, "-m", "tests.acceptance"]
    done = subprocess.run([*command, shared.url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "journey keepsakes: passed"
    gone = "http://127.0.0.1:9"
    done = subprocess.run([*command, gone], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{gone} does not answer" in done.stdout


def test_metrics_are_those_of_both_workers(shared: servers.Server) -> None:
    rises = {
        'http_requests_total{method="GET",route="/g/<token>",status="200"}': 40,
        "thanksgiving_gatherings_created_total": 1,
        'http_request_duration_seconds_count{route="/g/<token>"}': 40,
        'database_duration_seconds_count{kind="write"}': 1,
    }
    before = {line: metric(shared, line) for line in rises}
    event = journeys.create_gathering(shared.url)
    for _ in range(40):  # a new connection each: both workers get some
        servers.CLIENT.get(event.guest_url)
    assert {line: metric(shared, line) - before[line] for line in rises} == rises
    token = event.guest_path.removeprefix("/g/")
    assert token not in servers.CLIENT.get(f"{shared.url}/metrics").text


def test_metrics_are_not_public(shared: servers.Server) -> None:
    assert shared.answers("/metrics") == 200
    for header in ("X-Forwarded-For", "Forwarded"):
        assert (
            servers.CLIENT.get(f"{shared.url}/metrics", headers={header: "for=1.2.3.4"}).status_code
            == 404
        )


@pytest.mark.engine
def test_requests_in_flight_are_finished(start: Start, server: str, database_url: str) -> None:
    if "sqlite" in database_url:
        pytest.skip("needs a lock that a second connection can hold")
    running = start(database_url, DRAIN_SECONDS="0")
    event = journeys.create_gathering(running.url)
    person = journeys.Browser(running.url)
    page = person.open(event.guest_path)
    engine = create_engine(settings_for(database_url)["DATABASE_URL"])
    with engine.begin() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(text("SELECT 1 FROM gathering FOR UPDATE"))
        fields = {"csrf_token": page.token, "name": "Ann", "attending": "yes"}
        answer = pool.submit(person.post, f"{event.guest_path}/rsvp", fields)
        with engine.connect() as watcher:
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while not watcher.execute(waiting).scalar():
                watcher.rollback()
                time.sleep(0.02)
        running.terminate()
        servers_gone = threading.Event()
        while running.answers("/healthz") and not servers_gone.wait(0.05):
            pass
        holder.rollback()
        assert answer.result(20).status_code == 303
    assert running.process.wait(servers.STOP_SECONDS) == 0
    engine.dispose()


@pytest.mark.engine
def test_a_thousand_at_once_over_http(start: Start, database_url: str) -> None:
    """Ten portions, a thousand guests: ten succeed, nobody gets a 5xx."""
    running = start(database_url)
    event = journeys.create_gathering(running.url)
    organiser = journeys.Browser(running.url)
    page = organiser.open(event.organiser_path)
    dish = page.dish("Pumpkin pie")
    wish = {"category": "desserts", "name": "Pumpkin pie", "wanted": "10"}
    organiser.send(page, f"{event.organiser_path}/dishes/{dish}", wish)

    def arrive(_: int) -> tuple[dict[str, str], str]:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            token = re.search(r'csrf_token" value="([^"]+)"', client.get(event.guest_path).text)
            assert token
            fields = {"csrf_token": token[1], "name": "Guest", "attending": "yes"}
            assert client.post(f"{event.guest_path}/rsvp", data=fields).status_code == 303
            return dict(client.cookies), token[1]

    with ThreadPoolExecutor(8) as pool:
        people = list(pool.map(arrive, range(500)))
    assert "500 at the table" in organiser.open(event.organiser_path).words
    barrier = threading.Barrier(50)

    def claim(person: tuple[dict[str, str], str]) -> tuple[int, str]:
        cookies, token = person
        path = f"{running.url}{event.guest_path}/dishes/{dish}/claim"
        answer = httpx.post(path, data={"csrf_token": token}, cookies=cookies, timeout=60)
        return answer.status_code, answer.headers.get("Location", "")

    def crowd(number: int) -> list[tuple[int, str]]:
        barrier.wait()
        # Everybody presses twice: a thousand claims.
        return [claim(one) for one in people[number::50] for _ in range(2)]

    with ThreadPoolExecutor(50) as pool:
        answers = [one for some in pool.map(crowd, range(50)) for one in some]
    assert len(answers) == 1000
    assert {status for status, _ in answers} == {303}
    said = Counter(re.sub(r".*notice=([a-z-]+).*", r"\1", where) for _, where in answers)
    assert said["claimed"] == 10
    assert said["unchanged"] == 10
    assert said["taken"] == 980
    assert organiser.open(event.organiser_path).count("Pumpkin pie") == "10 of 10"
