"""Inputs that once failed on the running application, each with the right value."""

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from flask import Flask
from sqlalchemy import select, update
from thanksgiving import create_app, pages
from thanksgiving.models import Dish, Gathering, Guest

from tests.acceptance import journeys
from tests.acceptance.journeys import Browser, NewBrowser, rsvp
from tests.acceptance.journeys import Gathering as Event
from tests.app.conftest import browsers, notice, settings_for, sqlite_copy, transaction
from tests.app.test_pages import NEW

DISH = {"category": "sides", "name": "Gravy", "wanted": "2"}
OWN = {"category": "sides", "name": "Rice", "portions": "1"}


@pytest.fixture
def people(lite: Flask) -> NewBrowser:
    return browsers(lite)


def twice(person: Browser, path: str, token: str, **fields: object) -> list[httpx.Response]:
    """The same form, sent twice."""
    return [person.post(path, {"csrf_token": token, **fields}) for _ in range(2)]


def ends(answer: httpx.Response) -> str:
    """Where an answer leads, without its notice."""
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"]).partition("?")[0]


# Identity


def test_a_deleted_gathering_is_nowhere_in_the_next_one(new_browser: NewBrowser) -> None:
    organiser = new_browser()
    alpha = journeys.create_with(organiser, "Alpha")
    rsvp(new_browser(), alpha.guest_path, "Zoe", dietary_note="Allergic to bees")
    paths = (("organiser_path", ""), ("organiser_path", "/guests.csv"), ("guest_path", ""))
    for kind, suffix in (*paths, ("guest_path", "/event.ics")):
        organiser.raw(f"{getattr(alpha, kind)}{suffix}")
    page = organiser.open(alpha.organiser_path)
    organiser.send(page, f"{alpha.organiser_path}/delete", {"confirm": "1"})
    beta = journeys.create_with(organiser, "Beta")
    for kind, suffix in (*paths, ("guest_path", "/event.ics")):
        shown = organiser.raw(f"{getattr(beta, kind)}{suffix}").text
        assert "Beta" in shown or suffix == "/guests.csv"
        assert "Alpha" not in shown
        assert "bees" not in shown


def test_a_stale_form_changes_nothing_of_others(new_browser: NewBrowser, event: Event) -> None:
    organiser, ann, bob = new_browser(), new_browser(), new_browser()
    rsvp(ann, event.guest_path, "Ann")
    page = organiser.open(event.organiser_path)
    page = organiser.send(page, f"{event.organiser_path}/dishes", DISH)
    before = ann.open(event.guest_path)
    number = before.dish("Gravy")
    ann.send(before, f"{event.guest_path}/thanks", {"text": "First"})
    post = re.search(r"/thanks/(\d+)/remove", ann.raw(event.guest_path).text)
    guest = re.search(r"/guests/(\d+)/remove", organiser.raw(event.organiser_path).text)
    assert post
    assert guest
    ann.send(before, f"{event.guest_path}/thanks/{post[1]}/remove", {})
    organiser.send(page, f"{event.organiser_path}/dishes/{number}/remove", {})
    organiser.send(page, f"{event.organiser_path}/guests/{guest[1]}/remove", {})
    # Something new takes the place of each.
    organiser.send(page, f"{event.organiser_path}/dishes", {**DISH, "name": "Beans"})
    bobs = rsvp(bob, event.guest_path, "Bob")
    bob.send(bobs, f"{event.guest_path}/thanks", {"text": "Second"})
    rsvp(ann, event.guest_path, "Ann")
    answer = ann.send(before, f"{event.guest_path}/dishes/{number}/claim", {})
    assert "no longer on the list" in answer.text
    assert answer.count("Beans") == "0 of 2"
    ann.send(before, f"{event.guest_path}/thanks/{post[1]}/remove", {})
    for path in (f"guests/{guest[1]}", f"thanks/{post[1]}", f"dishes/{number}"):
        answer = organiser.send(page, f"{event.organiser_path}/{path}/remove", {})
        assert "no longer on the" in answer.text
    assert all(text in answer.text for text in ("Bob", "Second", "Beans"))


# Every form sent twice


def test_a_new_gathering_is_created_once(new_browser: NewBrowser, app: Flask) -> None:
    person = new_browser()
    answers = twice(person, "/new", person.open("/new").token, **NEW)
    assert ends(answers[0]) == ends(answers[1])
    person.open(ends(answers[0]))
    with transaction(app) as session:
        assert len(session.scalars(select(Gathering)).all()) == 1
    # The same again on a page of its own is another gathering.
    assert ends(person.post("/new", {**NEW, "csrf_token": person.open("/new").token})) != ends(answers[0])  # fmt: skip


def test_the_new_organiser_link_is_not_lost(new_browser: NewBrowser, event: Event) -> None:
    organiser, stranger = new_browser(), new_browser()
    key = organiser.open(event.organiser_path).token
    strangers = stranger.open(event.organiser_path).token
    answers = twice(organiser, f"{event.organiser_path}/organiser-link", key)
    assert ends(answers[0]) == ends(answers[1]) != event.organiser_path
    organiser.open(ends(answers[1]))
    organiser.open(event.organiser_path, expect=404)
    # Whoever else had the old page learns nothing.
    path = f"{event.organiser_path}/organiser-link"
    assert stranger.post(path, {"csrf_token": strangers}).status_code == 404


def test_a_guest_link_is_replaced_once(people: NewBrowser, dinner: Event) -> None:
    organiser = people()
    key = organiser.open(dinner.organiser_path).token
    path = f"{dinner.organiser_path}/guest-link"
    first = organiser.post(path, {"csrf_token": key, "link": "new"})
    sent_on = organiser.open(ends(first)).guest_path
    organiser.post(path, {"csrf_token": key, "link": "new"})
    assert organiser.open(dinner.organiser_path).guest_path == sent_on != dinner.guest_path
    # A form that was followed by another brings no revoked link back.
    organiser.post(path, {"csrf_token": key, "link": "off"})
    organiser.post(path, {"csrf_token": key, "link": "new"})
    assert organiser.open(dinner.organiser_path).guest_path != sent_on
    people().open(sent_on, expect=404)


def test_dishes_and_thanks_are_added_once(new_browser: NewBrowser, event: Event) -> None:
    organiser, guest = new_browser(), new_browser()
    key = organiser.open(event.organiser_path).token
    assert len({ends(a) for a in twice(organiser, f"{event.organiser_path}/dishes", key, **DISH)}) == 1  # fmt: skip
    key = rsvp(guest, event.guest_path, "Ann").token
    for path, fields in (("dishes", OWN), ("thanks", {"text": "For you"})):
        answers = twice(guest, f"{event.guest_path}/{path}", key, **fields)
        assert notice(answers[0]) == notice(answers[1])
    page = guest.open(event.guest_path)
    assert list(page.dishes.values()).count("Rice") == 1
    assert list(page.dishes.values()).count("Gravy") == 1
    assert page.text.count("For you") == 1


def test_edit_remove_and_delete_end_where_one_ends(people: NewBrowser, dinner: Event) -> None:
    organiser, guest = people(), people()
    rsvp(guest, dinner.guest_path, "Ann")
    page = organiser.open(f"{dinner.organiser_path}/edit")
    edit = {**NEW, "title": "Other", "edit_version": "1"}
    answers = twice(organiser, f"{dinner.organiser_path}/edit", page.token, **edit)
    assert [notice(answer) for answer in answers] == ["saved", "saved"]
    number = re.search(r"/guests/(\d+)/remove", organiser.raw(dinner.organiser_path).text)
    assert number
    path = f"{dinner.organiser_path}/guests/{number[1]}/remove"
    assert {answer.status_code for answer in twice(organiser, path, page.token)} == {303}
    path = f"{dinner.organiser_path}/delete"
    answers = twice(organiser, path, page.token, confirm="1")
    assert [notice(answer) for answer in answers] == ["deleted", "deleted"]
    stranger = f"/o/{'A' * 24}/delete"
    assert organiser.post(stranger, {"csrf_token": page.token, "confirm": "1"}).status_code == 404


# Validators


def test_only_the_address_with_its_hash_is_kept(people: NewBrowser) -> None:
    person = people()
    right = pages.static_hash("app.css")
    for version, kept in ((right, True), ("000000000000", False), ("", False)):
        answer = person.raw(f"/static/app.css?v={version}")
        assert answer.status_code == 200
        assert ("immutable" in answer.headers["Cache-Control"]) is kept
    assert "immutable" not in person.raw("/static/app.css").headers["Cache-Control"]


def test_a_page_from_another_template_is_another_page(
    lite: Flask, people: NewBrowser, dinner: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = people()
    person.open(dinner.guest_path)
    tag = {"If-None-Match": person.raw(dinner.guest_path).headers["ETag"]}
    assert person.raw(dinner.guest_path, **tag).status_code == 304
    monkeypatch.setitem(lite.jinja_env.globals, "static_url", "/elsewhere/{}".format)
    assert person.raw(dinner.guest_path, **tag).status_code == 200


# Time


@pytest.mark.parametrize(
    ("day", "time", "zone", "said"),
    [
        ("2026-03-08", "02:30", "America/New_York", "skip 02:30"),
        ("2011-12-30", "12:00", "Pacific/Apia", "skip 12:00"),
        ("2026-10-04", "02:15", "Australia/Lord_Howe", "skip 02:15"),
        *(("2026-11-26", "15:00", zone, "Time zone") for zone in ("localtime", "posixrules")),
        *(("2026-11-26", "15:00", zone, "Time zone") for zone in ("right/UTC", "posix/UTC", "Factory")),
    ],
)  # fmt: skip
def test_times_and_zones_that_are_none(
    people: NewBrowser, day: str, time: str, zone: str, said: str
) -> None:
    person = people()
    form = {**NEW, "date": day, "time": time, "timezone": zone}
    page = person.send(person.open("/new"), "/new", form, expect=422)
    assert said in page.words


def test_the_first_of_two_equal_times_is_meant(people: NewBrowser) -> None:
    person = people()
    page = person.send(person.open("/new"), "/new", {**NEW, "date": "2026-11-01", "time": "01:30"})
    assert "1:30 AM EDT" in page.text


def test_an_edit_does_not_move_the_second_of_two_equal_times(
    lite: Flask, people: NewBrowser, dinner: Event
) -> None:
    with transaction(lite) as session:
        second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
        session.execute(update(Gathering).values(starts_at=second))
    organiser = people()
    page = organiser.open(f"{dinner.organiser_path}/edit")
    form = {**NEW, "date": "2026-11-01", "time": "01:30", "edit_version": "1"}
    assert "1:30 AM EST" in organiser.send(page, f"{dinner.organiser_path}/edit", form).text


def test_a_page_is_shown_though_its_zone_is_unknown_here(
    lite: Flask, people: NewBrowser, dinner: Event
) -> None:
    with transaction(lite) as session:
        session.execute(update(Gathering).values(timezone="Atlantis/Capital"))
    for path in (dinner.guest_path, dinner.organiser_path, f"{dinner.organiser_path}/edit"):
        assert people().raw(path).status_code == 200
    assert people().raw(f"{dinner.guest_path}/event.ics").status_code == 200


def test_an_event_is_named_once_and_for_all(people: NewBrowser) -> None:
    organiser = people()
    events = [journeys.create_with(organiser) for _ in range(2)]

    def uid(event: Event) -> str:
        calendar = organiser.raw(f"{event.guest_path}/event.ics").text
        return next(line for line in calendar.splitlines() if line.startswith("UID:"))

    before = [uid(event) for event in events]
    assert before[0] != before[1]
    page = organiser.open(f"{events[0].organiser_path}/edit")
    organiser.send(page, f"{events[0].organiser_path}/edit", {**NEW, "edit_version": "1"})
    assert [uid(event) for event in events] == before


# Text


@pytest.mark.parametrize(
    "name",
    [
        *"\u200b\u2800\u3164\u00ad\u2060\ufeff\u202e\u115f\U000e0041",
        *"\u200e\ufe0f\u0301\u034f\u180e\u17b4\uffa0",
        "\u200b\u3164 \u2800",
    ],
)
def test_what_cannot_be_seen_is_missing(people: NewBrowser, dinner: Event, name: str) -> None:
    person = people()
    page = person.open(dinner.guest_path)
    form = {"name": name, "attending": "yes", "party_size": "3"}
    answer = person.send(page, f"{dinner.guest_path}/rsvp", form, expect=422)
    assert "Your name is missing" in answer.text
    assert "0 at the table" in people().open(dinner.guest_path).words


def test_no_page_turns_text_around(lite: Flask, people: NewBrowser, dinner: Event) -> None:
    overrides = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    person = people()
    rsvp(person, dinner.guest_path, f"A{overrides}nn")
    with transaction(lite) as session:
        assert session.scalars(select(Guest.name)).one() == "Ann"
        session.execute(update(Guest).values(name=f"Z{overrides}oe"))  # of an earlier release
    for path in (dinner.guest_path, dinner.organiser_path):
        shown = person.raw(path).text
        assert "Zoe" in shown
        assert not set(overrides) & set(shown)


WIDE = "\uff1d\uff0b\uff0d\uff20"
FORMULAS = ["a;=1+1", 'none;=HYPERLINK("http://x","y")']
FORMULAS += [*(f"{sign}1" for sign in WIDE), "a\t=1", '";"=1', "=1", "-1", " @x"]


def test_no_cell_is_a_formula_however_it_is_read(people: NewBrowser, dinner: Event) -> None:
    for text in FORMULAS:
        person = people()
        page = rsvp(person, dinner.guest_path, text, dietary_note=text)
        person.send(page, f"{dinner.guest_path}/dishes", {**OWN, "name": text})
    for name in ("guests", "dishes"):
        content = people().raw(f"{dinner.organiser_path}/{name}.csv").text.removeprefix("\ufeff")
        for delimiter in (",", ";", "\t"):
            rows = csv.reader(io.StringIO(content), delimiter=delimiter)
            cells = [cell for row in rows for cell in row]
            assert len(cells) > len(FORMULAS)
            assert [cell for cell in cells if cell.strip()[:1] in tuple("=+-@" + WIDE)] == []


def test_the_largest_form_is_taken(people: NewBrowser) -> None:
    person, wide = people(), "\U0001f983"
    form = {**NEW, "title": wide * 120, "place": wide * 200, "note": wide * 2000}
    dishes = {"dish_name": [wide * 80] * 40, "dish_category": ["other"] * 40}
    key = {"csrf_token": person.open("/new").token, "dish_wanted": ["9"] * 40}
    answer = person.post("/new", {**form, **dishes, **key})
    assert answer.status_code == 303


# Forms


@pytest.mark.parametrize(
    ("path", "fields", "kept"),
    [
        ("rsvp", {"name": " ", "attending": "no", "party_size": "4", "vegan": "1", "dietary_note": "No bees"},
         ['value="4"', 'value="No bees"', 'value="no" checked', 'name="vegan" value="1" checked']),
        ("rsvp", {"name": "Zoe", "attending": "yes", "party_size": "many"}, ['value="Zoe"', 'value="many"']),
        ("dishes", {"name": "", "category": "drinks", "portions": "7"}, ['value="7"', 'value="drinks" selected']),
        ("dishes", {"name": "Punch", "category": "drinks", "portions": "0"}, ['value="Punch"']),
        ("thanks", {"text": "x" * 501}, ["x" * 501]),
    ],
)  # fmt: skip
def test_a_guests_refused_form_keeps_what_was_typed(
    people: NewBrowser, dinner: Event, path: str, fields: dict[str, str], kept: list[str]
) -> None:
    person = people()
    page = rsvp(person, dinner.guest_path, "Ann")
    answer = person.post(f"{dinner.guest_path}/{path}", {**fields, "csrf_token": page.token})
    assert answer.status_code == 422
    assert [text for text in kept if text not in answer.text] == []


def test_an_organisers_refused_form_keeps_what_was_typed(people: NewBrowser, dinner: Event) -> None:
    organiser = people()
    page = organiser.open(dinner.organiser_path)
    dishes = f"{dinner.organiser_path}/dishes"
    for path in (dishes, f"{dishes}/{page.dish('Turkey')}", f"{dishes}/7"):
        wish = {"category": "drinks", "name": "Punch", "wanted": "0"}
        answer = organiser.post(path, {**wish, "csrf_token": page.token})
        assert answer.status_code == 422
        assert 'value="Punch"' in answer.text
    gone = organiser.post(f"{dishes}/7", {**DISH, "csrf_token": page.token})
    assert gone.status_code == 404
    assert 'value="Gravy"' in gone.text


def test_reloading_the_address_of_a_form_leads_to_its_page(
    people: NewBrowser, dinner: Event
) -> None:
    person = people()
    for path in (
        f"{dinner.guest_path}/rsvp",
        f"{dinner.guest_path}/dishes/7/claim",
        f"{dinner.organiser_path}/dishes",
        f"{dinner.organiser_path}/organiser-link",
    ):
        answer = person.raw(path)
        assert ends(answer) == "/".join(path.split("/")[:3])
    assert person.client.post("http://app.test/healthz").status_code == 405


@pytest.mark.parametrize("behind", ["/", ".", ")", ",", "\u200b", ").", "/)"])
def test_a_link_with_something_behind_it(lite: Flask, dinner: Event, behind: str) -> None:
    for path in (dinner.guest_path, dinner.organiser_path):
        answer = lite.test_client().get(f"{path}{behind}")
        assert (answer.status_code, answer.headers["Location"]) == (308, path)


def test_a_stale_key_costs_nobody_a_typed_form(people: NewBrowser, dinner: Event) -> None:
    person = people()
    stale = {"csrf_token": person.open("/new").token}
    person.client.cookies.clear()  # as when another tab got the cookie
    person.open("/new")
    answer = person.post("/new", {**NEW, "title": "Typed", "dish_name": ["Punch"], **stale})
    assert answer.status_code == 400
    assert 'value="Typed"' in answer.text
    assert 'value="Punch"' in answer.text
    page = journeys.Page(answer)
    assert "Typed" in person.send(page, "/new", {**NEW, "title": "Typed"}).text
    for path, fields in (
        (f"{dinner.guest_path}/rsvp", {"name": "Typed", "attending": "yes"}),
        (f"{dinner.organiser_path}/edit", {**NEW, "title": "Typed", "edit_version": "1"}),
        (f"{dinner.organiser_path}/dishes", {**DISH, "name": "Typed"}),
    ):
        answer = people().post(path, {**fields, **stale})
        assert answer.status_code == 400
        assert 'value="Typed"' in answer.text


def test_no_form_is_taken_without_its_key(lite: Flask, people: NewBrowser, dinner: Event) -> None:
    person = people()
    rsvp(person, dinner.guest_path, "Ann")
    rules = [rule.rule for rule in lite.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(rules) >= 15
    for rule in rules:
        own = dinner.organiser_path if rule.startswith("/o/") else dinner.guest_path
        path = rule.replace("<token>", own[3:]).replace("<any(dishes, guests, thanks):kind>", "dishes")  # fmt: skip
        path = re.sub(r"<int[^>]*>", "7", path)
        assert person.post(path, {}).status_code == 400, rule


@pytest.mark.parametrize(
    "path", ["/g/{}/rsvp", "/o/{}/dishes", "/o/{}/delete", "/o/{}/organiser-link"]
)
def test_a_refused_form_of_no_gathering_is_not_found(people: NewBrowser, path: str) -> None:
    assert people().post(path.format("A" * 24), {"name": "Typed"}).status_code == 404


# Lost update


def test_the_second_of_two_edits_of_a_dish_is_shown_both(people: NewBrowser, dinner: Event) -> None:
    first, second = people(), people()
    pages_open = [person.open(dinner.organiser_path) for person in (first, second)]
    number = pages_open[0].dish("Turkey")
    path = f"{dinner.organiser_path}/dishes/{number}"
    version = version_of(second, dinner, number)
    wish = {"category": "mains", "wanted": "2", "edit_version": version}
    first.send(pages_open[0], path, {**wish, "name": "Goose"})
    late = {**wish, "name": "Duck", "csrf_token": pages_open[1].token}
    answer = second.post(path, late)
    assert answer.status_code == 409
    assert ">Goose<" in answer.text
    assert 'value="Duck"' in answer.text
    assert "Duck" not in first.open(dinner.organiser_path).dishes.values()
    again = {**late, "name": "Goose"}
    assert notice(second.post(path, again)) == "saved", "it asks for what is stored"
    fresh = {**late, "edit_version": version_of(second, dinner, number)}
    assert notice(second.post(path, fresh)) == "saved"
    assert "Duck" in first.open(dinner.organiser_path).dishes.values()


def version_of(person: Browser, event: Event, number: str) -> str:
    html = person.raw(event.organiser_path).text
    form = html.partition(f'/dishes/{number}" class="wish"')[2]
    found = re.search(r'name="edit_version" value="(\w+)"', form)
    assert found
    return found[1]


# Promises


def test_only_the_organiser_sees_what_somebody_cannot_eat(
    people: NewBrowser, dinner: Event
) -> None:
    rsvp(people(), dinner.guest_path, "Zoe", vegan="1", nuts="1", dietary_note="No bees")
    shown = people().open(dinner.guest_path).words
    assert "1 vegan" not in shown
    assert "no nuts" not in shown
    assert "bees" not in shown
    organisers = people().open(dinner.organiser_path).words
    assert "Cook for: 1 vegan 1 no nuts" in organisers


def test_a_notice_is_for_whom_it_happened_to(people: NewBrowser, dinner: Event) -> None:
    ann, bob = people(), people()
    page = ann.open(dinner.guest_path)
    form = {"csrf_token": page.token, "name": "Ann", "attending": "yes"}
    address = ann.post(f"{dinner.guest_path}/rsvp", form).headers["Location"]
    assert "you are on the list" in ann.open(address).text
    assert "you are on the list" not in bob.open(address).text
    assert "is deleted" not in bob.open("/?notice=deleted&to=").text


# Keys and cookies


def test_the_previous_key_is_accepted(lite: Flask) -> None:
    database = str(lite.config["DATABASE_URL"])
    old = "the-previous-key-0123456789-0123456789"
    before = browsers(create_app(settings_for(database, SECRET_KEY=old)))
    event, person = journeys.create_with(before()), before()
    page = rsvp(person, event.guest_path, "Ann")
    for fallbacks, status in ((old, 303), ("", 400)):
        after = browsers(create_app(settings_for(database, SECRET_KEY_FALLBACKS=fallbacks)))()
        after.client.cookies = person.client.cookies
        form = {"csrf_token": page.token, "name": "Ann B.", "attending": "yes"}
        assert after.post(f"{event.guest_path}/rsvp", form).status_code == status
        with transaction(lite) as session:
            assert session.scalars(select(Guest.name)).all() == ["Ann B."]


def test_cookies_of_two_ports_do_not_meet(lite: Flask) -> None:
    client = lite.test_client()
    names = set()
    for host in ("localhost:5000", "localhost:8080", "potluck.test", "[::1]:5000"):
        cookie = client.get("/new", base_url=f"http://{host}").headers["Set-Cookie"]
        names.add(cookie.partition("=")[0])
    assert names == {"visitor-5000", "visitor-8080", "visitor"}


def test_a_clients_forwarded_host_leads_nowhere(migrated_sqlite: Path, tmp_path: Path) -> None:
    app = create_app(settings_for(sqlite_copy(migrated_sqlite, tmp_path), TRUSTED_PROXIES="1"))
    person = browsers(app)()
    event = journeys.create_with(person)
    forged = {"X-Forwarded-Host": "other.example", "X-Forwarded-For": "192.0.2.1"}
    for path in (event.organiser_path, f"{event.organiser_path}/event.ics"):
        shown = person.raw(path, **forged).text
        assert "other.example" not in shown
        assert "app.test" in shown


# Order, though numbers are random


def test_the_menu_keeps_its_order(lite: Flask, people: NewBrowser) -> None:
    organiser = people()
    names = [f"Dish {number}" for number in range(12)]
    form = {**NEW, "dish_name": names, "dish_category": ["sides"] * 12, "dish_wanted": ["1"] * 12}
    page = organiser.send(organiser.open("/new"), "/new", form)
    with transaction(lite) as session:  # as the release before added it
        event = session.scalars(select(Gathering)).one()
        session.add(Dish(gathering_id=event.id, category="sides", name="Old", wanted=1, created_at=None))  # fmt: skip
        session.flush()
        session.execute(update(Dish).where(Dish.name == "Old").values(created_at=None))
    path = page.url.partition("?")[0].removeprefix("http://app.test")
    organiser.send(page, f"{path}/dishes", DISH)
    assert list(organiser.open(path).dishes.values()) == ["Old", *names, "Gravy"]
