"""The parts on their own: settings, the demo, a database that goes away, logs, the drain."""

import json
import logging.config
import signal
from datetime import date, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from thanksgiving import create_app, gatherings, lifecycle
from thanksgiving.config import DEVELOPMENT_SECRET, ConfigurationError, from_environment
from thanksgiving.db import make_engine
from thanksgiving.demo import next_thanksgiving
from thanksgiving.models import UtcDateTime
from thanksgiving.observability import LOGGING

from tests.acceptance import journeys
from tests.app.conftest import SECRET, browsers, settings_for, transaction

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
    assert settings["DATABASE_URL"].render_as_string(hide_password=False) == expected
    assert not settings["AUTO_MIGRATE"]
    assert "p%40" not in str(settings["DATABASE_URL"])


def test_defaults_are_safe() -> None:
    settings = from_environment({"SECRET_KEY": SECRET})
    assert settings["ENVIRONMENT"] == "production"
    assert str(settings["DATABASE_URL"]) == "sqlite:////data/thanksgiving.db"
    assert settings["AUTO_MIGRATE"]
    assert settings["WRITE_BURST"] > 0
    assert settings["TRUSTED_PROXIES"] == 0
    assert from_environment({"ENVIRONMENT": "development"})["SECRET_KEY"] == DEVELOPMENT_SECRET


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


def test_the_demo_of_a_known_link_is_made_once(app: Flask) -> None:
    first, again = (
        app.test_cli_runner().invoke(args=["seed-demo", "demo"]).output for _ in range(2)
    )
    assert first.startswith("organiser: /o/demo\n")
    assert again == ""
    assert "coeliac" in browsers(app)().open("/o/demo").text


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
    if app.extensions["engine"].dialect.name == "sqlite":
        pytest.skip("an embedded database does not restart")
    event = journeys.create_with(browsers(app)())
    kill = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    def cut() -> None:
        other = make_engine(app.config)
        with other.connect() as connection:
            assert connection.execute(text(kill)).all()
        other.dispose()

    person = browsers(app)()
    cut()
    assert person.raw(event.guest_path).status_code == 200
    page = person.open(event.guest_path)
    cut()
    assert "at the table" in journeys.rsvp(person, event.guest_path, "Ann").words
    assert page.token


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
    with pytest.raises(RuntimeError), transaction(app) as session:
        session.execute(text("DELETE FROM alembic_version"))
        raise RuntimeError("broken")
    with transaction(app) as session:
        assert session.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_an_unexpected_error_is_a_500_and_logged(
    lite: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(gatherings, "load", broken)
    answer = lite.test_client().get(f"/g/{'A' * 24}")
    assert answer.status_code == 500
    assert "Something burned" in answer.text
    assert lite.test_client().post("/").status_code in (400, 405)
    assert lite.test_client().put("/new").status_code in (400, 405)


def test_the_drain_shows_in_readiness_only(lite: Flask) -> None:
    client = lite.test_client()
    assert client.get("/readyz").status_code == 200
    lifecycle.set_draining(True)
    try:
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200
    finally:
        lifecycle.set_draining(False)
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
        lifecycle.set_draining(False)
        for one, handler in before.items():
            signal.signal(one, handler)


def test_version_and_metrics_in_one_process(lite: Flask) -> None:
    client = lite.test_client()
    assert client.get("/version").json["environment"] == "test"  # type: ignore[index]
    assert b"http_requests_total" in client.get("/metrics").data
    assert client.get("/metrics", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 404
    outside = {"REMOTE_ADDR": "10.0.0.7"}
    assert client.get("/metrics", environ_base=outside).status_code == 404
    scraper = {"Authorization": "Bearer "}
    assert client.get("/metrics", environ_base=outside, headers=scraper).status_code == 404
    database = str(lite.config["DATABASE_URL"])
    client = create_app(settings_for(database, METRICS_TOKEN="t" * 32)).test_client()
    scraper["Authorization"] += "t" * 32
    assert client.get("/metrics", environ_base=outside, headers=scraper).status_code == 200
    scraper["Authorization"] += "t"
    assert client.get("/metrics", environ_base=outside, headers=scraper).status_code == 404


def test_log_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(LOGGING)  # to the output that is captured now
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("x").exception("a %s", "b", extra={"request_id": "r"})
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["request_id"], line["level"]) == ("a b", "r", "error")
    assert "ValueError: bad" in line["exception"]
    assert line["time"].endswith("+00:00")


def test_times_need_a_zone() -> None:
    column = UtcDateTime()
    with pytest.raises(ValueError, match="zone"):
        column.process_bind_param(datetime(2026, 1, 1), None)  # type: ignore[arg-type]
    assert column.process_result_value(None, None) is None  # type: ignore[arg-type]
