"""Forms from elsewhere, cookies, headers, sizes, rates, proxies, secrets."""

import json
import logging.config
import re
from pathlib import Path

import pytest
from flask import Flask
from thanksgiving import create_app
from thanksgiving.observability import LOGGING
from thanksgiving.security import COOKIE, HEADERS, VisitorSession
from werkzeug.test import Client, TestResponse

from tests.acceptance import journeys
from tests.acceptance.journeys import NewBrowser
from tests.app.conftest import browsers, settings_for, sqlite_copy
from tests.app.test_pages import NEW


@pytest.fixture
def people(lite: Flask) -> NewBrowser:
    return browsers(lite)


def token_in(response: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', response.text)
    assert found
    return found[1]


def test_a_form_without_its_token_is_refused(people: NewBrowser) -> None:
    person = people()
    token = person.open("/new").token
    for wrong in ("", "0" * 64, token[:-1], token.upper(), token + "0", "é"):
        answer = person.post("/new", {**NEW, "csrf_token": wrong})
        assert answer.status_code == 400, wrong
    assert person.post("/new", {**NEW, "csrf_token": token}).status_code == 303


def test_a_token_belongs_to_one_visitor(people: NewBrowser) -> None:
    ann, bob = people(), people()
    token = ann.open("/new").token
    bob.open("/new")
    assert bob.post("/new", {**NEW, "csrf_token": token}).status_code == 400
    assert people().post("/new", {**NEW, "csrf_token": token}).status_code == 400


@pytest.mark.parametrize("change", ["cut", "swap", "foreign", "empty", "unsigned", "without"])
def test_a_forged_cookie_is_nobody(lite: Flask, change: str) -> None:
    client = lite.test_client()
    token = token_in(client.get("/new"))
    cookie = client.get_cookie(COOKIE)
    assert cookie
    identity, _, signature = cookie.value.rpartition(".")
    signer = VisitorSession().get_signing_serializer(lite)
    assert signer
    forged = {
        "cut": cookie.value[:-1],
        "swap": f"{identity[::-1]}.{signature}",
        "foreign": f"{identity}.{'A' * len(signature)}",
        "empty": "",
        "unsigned": identity,
        "without": signer.dumps({}),
    }[change]
    client.set_cookie(COOKIE, forged)
    answer = client.post("/new", data={**NEW, "csrf_token": token})
    assert answer.status_code == 400
    assert COOKIE in answer.headers["Set-Cookie"]


def test_cookies_of_others_do_not_matter(lite: Flask) -> None:
    client = lite.test_client()
    token = token_in(client.get("/new"))
    for size in (10, 1000):
        client.set_cookie("another", "x" * size)
        assert "Set-Cookie" not in client.get("/new").headers
        assert client.post("/new", data={**NEW, "csrf_token": token}).status_code == 303
    client.delete_cookie(COOKIE)
    client.set_cookie("another", "\u00e4")
    assert COOKIE in client.get("/new").headers["Set-Cookie"]


def test_another_secret_does_not_know_the_visitor(lite: Flask) -> None:
    database = str(lite.config["DATABASE_URL"])
    other = create_app(settings_for(database, SECRET_KEY="another-secret-0123456789-0123456789"))
    client = lite.test_client()
    token = token_in(client.get("/new"))
    cookie = client.get_cookie(COOKIE)
    assert cookie
    stranger = other.test_client()
    stranger.set_cookie(COOKIE, cookie.value)
    assert stranger.post("/new", data={**NEW, "csrf_token": token}).status_code == 400
    twin = create_app(settings_for(database)).test_client()
    twin.set_cookie(COOKIE, cookie.value)
    assert twin.post("/new", data={**NEW, "csrf_token": token}).status_code == 303


def test_forms_of_other_sites_are_refused(lite: Flask) -> None:
    client = lite.test_client()
    form = {**NEW, "csrf_token": token_in(client.get("/new"))}
    cross = client.post("/new", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    same = client.post("/new", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert same.status_code == 303


def test_cookie_flags(lite: Flask) -> None:
    plain = lite.test_client().get("/new").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    https = lite.test_client().get("/new", base_url="https://app.test").headers["Set-Cookie"]
    assert "Secure" in https


def test_cookies_can_be_always_secure(lite: Flask) -> None:
    database = str(lite.config["DATABASE_URL"])
    app = create_app(settings_for(database, COOKIES_ALWAYS_SECURE="1"))
    assert "Secure" in app.test_client().get("/new").headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/", "/new", "/nowhere", "/static/app.css", "/healthz"])
def test_headers_are_on_everything(lite: Flask, path: str) -> None:
    answer = lite.test_client().get(path)
    for name, value in HEADERS.items():
        assert answer.headers.getlist(name) == [value]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "Cache-Control" in answer.headers
    assert "Strict-Transport-Security" not in answer.headers
    secure = lite.test_client().get(path, base_url="https://app.test")
    assert "max-age=31536000" in secure.headers["Strict-Transport-Security"]


def test_no_page_has_inline_script_or_style(people: NewBrowser) -> None:
    event = journeys.create_with(people())
    person = people()
    journeys.rsvp(person, event.guest_path, "Ann")
    for path in ("/", "/new", event.guest_path, event.organiser_path, "/nowhere"):
        html = person.raw(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", html)


def test_big_requests_are_refused(lite: Flask) -> None:
    client = lite.test_client()
    token = token_in(client.get("/new"))
    big = client.post("/new", data={**NEW, "csrf_token": token, "note": "x" * 140_000})
    assert big.status_code == 413
    many = {f"f{number}": ["x"] for number in range(500)}
    parts = client.post(
        "/new", data={**NEW, "csrf_token": token, **many}, content_type="multipart/form-data"
    )
    assert parts.status_code == 413


def test_writes_are_limited_per_address(lite: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    database = str(lite.config["DATABASE_URL"])
    app = create_app(settings_for(database, WRITE_BURST="3", TRUSTED_PROXIES="1"))
    client = app.test_client()
    form = {**NEW, "csrf_token": token_in(client.get("/new"))}

    def write(address: str) -> TestResponse:
        return client.post("/new", data=form, headers={"X-Forwarded-For": address})

    assert [write("192.0.2.1").status_code for _ in range(4)] == [303, 303, 303, 429]
    refused = write("192.0.2.1")
    assert int(refused.headers["Retry-After"]) >= 1
    assert write("192.0.2.2").status_code == 303
    assert client.get("/new").status_code == 200
    assert "192.0.2" not in capsys.readouterr().out, "addresses of people are not logged"


def seen_by(app: Flask, headers: dict[str, str]) -> dict[str, str | None]:
    """How the application sees a request that comes through proxies."""
    from flask import request  # noqa: PLC0415

    seen: dict[str, str | None] = {}

    @app.before_request
    def look() -> None:
        seen.update(scheme=request.scheme, host=request.host, address=request.remote_addr)

    Client(app).get(
        "/healthz",
        headers=headers,
        base_url="http://inner.test",
        environ_base={"REMOTE_ADDR": "127.0.0.1"},
    )
    return seen


FORWARDED = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7, 10.0.0.5",
    "X-Forwarded-Proto": "http, https",
    "X-Forwarded-Host": "evil.test, potluck.test",
}


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ("0", {"scheme": "http", "host": "inner.test", "address": "127.0.0.1"}),
        ("1", {"scheme": "https", "host": "inner.test", "address": "10.0.0.5"}),
        ("2", {"scheme": "http", "host": "inner.test", "address": "198.51.100.7"}),
    ],
)
def test_exactly_the_trusted_proxies_are_believed(
    migrated_sqlite: Path, tmp_path: Path, hops: str, expected: dict[str, str]
) -> None:
    database = sqlite_copy(migrated_sqlite, tmp_path)
    app = create_app(settings_for(database, TRUSTED_PROXIES=hops))
    assert seen_by(app, FORWARDED) == expected


def test_the_log_has_no_personal_data(
    people: NewBrowser, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.config.dictConfig(LOGGING)  # to the output that is captured now
    event = journeys.create_with(people(), "Secret party")
    person = people()
    journeys.rsvp(person, event.guest_path, "Annabella", dietary_note="Peanuts!")
    person.raw(f"{event.guest_path}?notice=x&name=Annabella")
    person.raw("/nowhere/Annabella")
    # The visitor's own HTTP client logs as well in this process; it is not the application.
    lines = capsys.readouterr().out.splitlines()
    out = "\n".join(line for line in lines if json.loads(line)["logger"] != "httpx")
    for private in ("Annabella", "Peanuts", "Secret party", event.guest_path[3:], "127.0.0.1"):
        assert private not in out
    assert event.organiser_path[3:] not in out
    entries = [json.loads(line) for line in out.splitlines()]
    assert {"/g/<token>/rsvp", "/g/<token>", "/new", "unmatched"} <= {x["route"] for x in entries}
    assert all({"time", "level", "request_id", "status", "ms", "method"} <= set(x) for x in entries)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "abc-123"}, "abc-123"),
        ({"X-Amzn-Trace-Id": "Self=1-2;Root=1-67891233-abcdef012345678912345678"},
         "1-67891233-abcdef012345678912345678"),
        ({"X-Request-ID": "abc", "X-Amzn-Trace-Id": "Root=1-2"}, "abc"),
        ({"X-Request-ID": 'a"b\\n'}, None),
        ({"X-Request-ID": "x" * 129}, None),
        ({"X-Amzn-Trace-Id": "Root=<b>"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_request_ids(
    lite: Flask,
    capsys: pytest.CaptureFixture[str],
    headers: dict[str, str],
    expected: str | None,
) -> None:
    logging.config.dictConfig(LOGGING)  # to the output that is captured now
    answer = lite.test_client().get("/", headers=headers)
    given = answer.headers["X-Request-ID"]
    assert given == expected if expected else re.fullmatch("[0-9a-f]{32}", given)
    assert json.loads(capsys.readouterr().out)["request_id"] == given
