"""The parts on their own: settings, the demo, a database that goes away, shared questions, logs, the drain."""

import json
import logging
import signal
import threading
from datetime import date, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from thanksgiving import create_app, export, guests, lifecycle, snapshot
from thanksgiving.config import DEVELOPMENT_SECRET, ConfigurationError, from_environment
from thanksgiving.db import AtOnce, Database, run
from thanksgiving.demo import next_thanksgiving
from thanksgiving.logs import JsonFormatter
from thanksgiving.models import Claim, UtcDateTime
from thanksgiving.singleflight import SingleFlight

from tests.acceptance import journeys
from tests.app.conftest import SECRET, browsers, settings_for

BASE = {"ENVIRONMENT": "production", "SECRET_KEY": SECRET}
PARTS = {
    "DATABASE_HOST": "db",
    "DATABASE_NAME": "n",
    "DATABASE_USER": "u",
    "DATABASE_PASSWORD": "p@:/",
}


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": DEVELOPMENT_SECRET}, "is a default"),
        ({"SECRET_KEY": "short"}, "shorter than 32"),
        ({"DATABASE_URL": "::"}, "not a database URL"),
        ({"DATABASE_URL": "mysql://h/d"}, "not supported"),
        ({"DATABASE_URL": "sqlite://"}, "needs a file"),
        ({"DATABASE_HOST": "db"}, "DATABASE_NAME, DATABASE_USER, DATABASE_PASSWORD"),
        ({**PARTS, "DATABASE_PORT": "x"}, "DATABASE_PORT"),
        ({"REPLICAS": "2"}, "lose the others' data"),
        ({"REPLICAS": "0"}, "REPLICAS"),
        ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES"),
        ({"AUTO_MIGRATE": "yes"}, "neither 0 nor 1"),
    ],
)
def test_unsafe_settings_are_refused(env: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        from_environment({**BASE, **env})


def test_the_database_in_parts() -> None:
    settings = from_environment({**BASE, **PARTS, "REPLICAS": "3", "DATABASE_SSLMODE": "require"})
    expected = "postgresql+psycopg://u:p%40%3A%2F@db:5432/n?sslmode=require"
    assert settings.database_url.render_as_string(hide_password=False) == expected
    assert not settings.auto_migrate
    assert "p%40" not in str(settings.database_url)


def test_defaults_are_safe() -> None:
    settings = from_environment({"SECRET_KEY": SECRET})
    assert settings.environment == "production"
    assert settings.database_url.database == "/data/thanksgiving.db"
    assert settings.sqlite
    assert settings.auto_migrate
    assert settings.write_burst > 0
    assert settings.trusted_proxies == 0
    assert from_environment({"ENVIRONMENT": "development"}).secret_key == DEVELOPMENT_SECRET


def test_refusing_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(SystemExit, match="cannot start: SECRET_KEY"):
        create_app()
    with pytest.raises(SystemExit, match="migrating the database failed"):
        create_app(settings_for("sqlite:////no/where.db", AUTO_MIGRATE="1"))


def test_the_demo_fills_a_table(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["seed-demo"])
    assert result.exit_code == 0, result.output
    organiser, guest = (line.split()[-1] for line in result.output.splitlines())
    page = browsers(app)().open(guest)
    assert "16 at the table" in page.words
    assert page.count("Sticky rice with chestnuts") == "1 of 1"
    assert "coeliac" in browsers(app)().open(organiser).text


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 11, 1), date(2026, 11, 26)),
        (date(2026, 11, 26), date(2026, 11, 26)),
        (date(2026, 11, 27), date(2027, 11, 25)),
        (date(2029, 1, 1), date(2029, 11, 22)),
    ],
)
def test_thanksgiving_is_the_fourth_thursday(today: date, expected: date) -> None:
    assert next_thanksgiving(today) == expected


@pytest.mark.engine
def test_a_restarted_database_costs_no_request(app: Flask) -> None:
    database: Database = app.extensions["database"]
    if database.engine.dialect.name == "sqlite":
        pytest.skip("an embedded database does not restart")
    person = browsers(app)()
    form = person.open("/new")
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    database.read(lambda c: c.execute(text("SELECT 1")))
    settings = app.extensions["settings"]

    def cut() -> None:
        other = Database(settings)
        other.read(lambda c: c.execute(text(f"{kill} AND datname = current_database()")).all())
        other.engine.dispose()

    cut()
    assert database.read(lambda c: c.execute(text("SELECT 1")).scalar()) == 1
    cut()
    assert database.write(lambda c: c.execute(text("SELECT 2")).scalar()) == 2
    cut()
    insert_one = text("INSERT INTO alembic_version (version_num) VALUES (:one)")
    at_once = AtOnce(postgresql=insert_one, sqlite=insert_one)
    assert database.write_at_once(at_once, {"one": "0"})
    assert not database.write_at_once(at_once, {"one": "0"})  # it stands in its own way
    cut()
    assert person.raw(f"/g/{'A' * 24}").status_code == 404
    assert form.token


@pytest.mark.engine
def test_a_connection_lost_between_statements_costs_no_request(app: Flask) -> None:
    database: Database = app.extensions["database"]
    if database.engine.dialect.name == "sqlite":
        pytest.skip("an embedded database has no connection to lose")
    event = journeys.create_with(browsers(app)())
    token, tries = event.guest_path.removeprefix("/g/"), []

    def work(connection: Connection) -> int:
        tries.append(connection.execute(text("SELECT pg_backend_pid()")).scalar())
        if len(tries) == 1:
            end = text("SELECT pg_terminate_backend(:pid, 5000)")
            other = Database(app.extensions["settings"])
            other.read(lambda c: c.execute(end, {"pid": tries[0]}).scalar())
            other.engine.dispose()
        return guests.touch(connection, token)

    assert database.write(work)
    assert len(tries) == 2


def test_a_refusal_of_the_database_is_sqlalchemys(app: Flask) -> None:
    database: Database = app.extensions["database"]
    claim = {"dish_id": 1, "guest_id": 1, "portions": 0}
    with pytest.raises(IntegrityError) as refused:
        database.write(lambda c: run(c, insert(Claim), claim))
    assert not refused.value.connection_invalidated
    assert database.write(lambda c: c.execute(text("SELECT 2")).scalar()) == 2


def test_a_database_that_is_away_is_a_503(tmp_path: Path) -> None:
    app = create_app(settings_for("postgresql://nobody@127.0.0.1:9/none"))
    client = app.test_client()
    answer = client.get(f"/g/{'A' * 24}")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").status_code == 503
    broken = create_app(settings_for(f"sqlite:///{tmp_path / 'empty.db'}"))
    assert broken.test_client().get("/readyz").status_code == 503
    assert broken.test_client().get(f"/o/{'A' * 24}").status_code == 503


def test_a_failed_write_leaves_nothing(app: Flask) -> None:
    database: Database = app.extensions["database"]

    def half(connection: object) -> None:
        assert hasattr(connection, "execute")
        connection.execute(text("DELETE FROM alembic_version"))
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        database.write(half)
    with pytest.raises(DBAPIError):
        database.read(lambda c: c.execute(text("SELECT nonsense")))
    assert (
        database.read(lambda c: c.execute(text("SELECT count(*) FROM alembic_version")).scalar())
        == 1
    )


def test_an_uncertain_commit_is_not_repeated(lite: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    database: Database = lite.extensions["database"]
    calls = 0

    def work(connection: object) -> None:
        nonlocal calls
        calls += 1
        original = connection.exec_driver_sql  # type: ignore[attr-defined]

        def broken(statement: str) -> object:
            if statement == "COMMIT":
                original("ROLLBACK")
                raise OperationalError("COMMIT", {}, Exception("gone"))
            return original(statement)

        monkeypatch.setattr(connection, "exec_driver_sql", broken)

    with pytest.raises(OperationalError):
        database.write(work)
    assert calls == 1


def test_an_unexpected_error_is_a_500_and_logged(
    lite: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(snapshot.Snapshots, "for_guest", broken)
    answer = lite.test_client().get(f"/g/{'A' * 24}")
    assert answer.status_code == 500
    assert "Something burned" in answer.text
    assert lite.test_client().post("/").status_code in (400, 405)
    assert lite.test_client().put("/new").status_code in (400, 405)


def test_the_drain_shows_in_readiness_only(lite: Flask) -> None:
    client = lite.test_client()
    assert client.get("/readyz").status_code == 200
    lifecycle.start_draining()
    try:
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200
    finally:
        lifecycle.stop_draining()
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_sigterm_reaches_gunicorn_after_the_drain(seconds: float) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGALRM)}
    got: list[int] = []

    class Arbiter:
        def signal(self, number: int, _frame: object) -> None:
            got.append(number)

    try:
        lifecycle.delay_stop(Arbiter(), seconds)
        signal.raise_signal(signal.SIGTERM)
        assert lifecycle.draining()
        assert got == ([] if seconds else [signal.SIGTERM])
        if seconds:
            signal.sigtimedwait([], 0.5)  # interrupted by the alarm
        assert got == [signal.SIGTERM]
    finally:
        lifecycle.stop_draining()
        for one, handler in before.items():
            signal.signal(one, handler)


def test_version_and_metrics_in_one_process(lite: Flask) -> None:
    client = lite.test_client()
    assert client.get("/version").json["environment"] == "test"  # type: ignore[index]
    assert b"http_requests_total" in client.get("/metrics").data
    assert client.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 404


def test_a_question_is_shared_but_never_an_old_answer() -> None:
    flights: SingleFlight[int] = SingleFlight()
    asked: list[int] = []
    entered, leave = threading.Event(), threading.Event()

    def ask() -> int:
        asked.append(len(asked))
        if len(asked) == 1:
            entered.set()
            assert leave.wait(10)
        return len(asked)

    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(flights.get("key", ask)))
    first.start()
    assert entered.wait(10)
    # These came after the first question was asked: they share a second one.
    late = [
        threading.Thread(target=lambda: answers.append(flights.get("key", ask))) for _ in range(5)
    ]
    for one in late:
        one.start()
    leave.set()
    for one in [first, *late]:
        one.join(10)
    assert sorted(answers)[0] == 1
    assert all(answer > 1 for answer in sorted(answers)[1:])
    assert 2 <= len(asked) <= 6


def test_a_failed_question_fails_for_everybody_and_can_be_asked_again() -> None:
    flights: SingleFlight[int] = SingleFlight()

    def broken() -> int:
        raise KeyError("no")

    with pytest.raises(KeyError):
        flights.get("key", broken)
    assert flights.get("key", lambda: 7) == 7


def test_the_cache_forgets_the_longest_unused() -> None:
    cache: snapshot.LruCache[int, str] = snapshot.LruCache(2)
    cache.put(1, "one")
    cache.put(2, "two")
    assert cache.get(1) == "one"
    cache.put(3, "three")
    assert cache.get(2) is None
    assert cache.get(1) == "one"


def test_log_lines_are_json() -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "a %s", ("b",), None)
    record.fields = {"request_id": "r"}
    try:
        raise ValueError("bad")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "a b"
    assert line["request_id"] == "r"
    assert "ValueError: bad" in line["exception"]


def test_times_need_a_zone() -> None:
    column = UtcDateTime()
    with pytest.raises(ValueError, match="zone"):
        column.process_bind_param(datetime(2026, 1, 1), None)  # type: ignore[arg-type]
    assert column.process_result_value(None, None) is None  # type: ignore[arg-type]


def test_calendar_lines_are_folded_between_characters() -> None:
    folded = export._fold("SUMMARY:" + "\u00e9" * 100)
    lines = folded.split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    assert "".join([lines[0], *(line[1:] for line in lines[1:])]) == "SUMMARY:" + "\u00e9" * 100


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x"])
def test_spreadsheets_run_no_formula(text: str) -> None:
    assert export._cell(text) == f"'{text}"
    assert export._cell(3) == 3
