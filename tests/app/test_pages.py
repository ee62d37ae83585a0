"""What organisers and guests see and do, page by page, with what can go wrong."""

import re

import pytest
from flask import Flask
from sqlalchemy import event as engine_events
from thanksgiving import gatherings
from thanksgiving.models import Dish, Gratitude, Guest

from tests.acceptance.journeys import Browser, Gathering, NewBrowser, claim, rsvp
from tests.app.conftest import browsers

NEW = {
    "title": "Dinner",
    "date": "2026-11-26",
    "time": "15:00",
    "timezone": "America/New_York",
    "place": "Home",
    "note": "",
}


@pytest.fixture
def people(lite: Flask) -> NewBrowser:
    return browsers(lite)


def test_front_page_sets_no_cookie(people: NewBrowser) -> None:
    person = people()
    assert "Plan a gathering" in person.open("/").text
    assert not person.client.cookies


def test_the_time_is_the_gatherings_own(people: NewBrowser) -> None:
    person = people()
    page = person.send(person.open("/new"), "/new", {**NEW, "timezone": "Asia/Tokyo"})
    assert "Thursday, November 26, 2026 at 3:00 PM JST" in page.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("title", "", "The title is missing"),
        ("title", "   ", "The title is missing"),
        ("title", "x" * 121, "too long: 121 characters, 120 fit"),
        ("place", "", "The place is missing"),
        ("note", "x" * 2001, "too long"),
        ("date", "26.11.2026", "Date and time"),
        ("date", "", "Date and time"),
        ("date", "9999-99-99", "Date and time"),
        ("date", "1999-12-31", "choose a year"),
        ("date", "2101-01-01", "choose a year"),
        ("time", "25:00", "Date and time"),
        ("timezone", "Nowhere/Land", "Time zone"),
        ("timezone", "../../etc/passwd", "Time zone"),
        ("timezone", "America", "Time zone"),
        ("timezone", "", "Time zone"),
        ("dish_name", "x" * 81, "Dish 1"),
    ],
)
def test_a_form_with_a_mistake_comes_back(
    people: NewBrowser, field: str, value: str, said: str
) -> None:
    person = people()
    page = person.send(
        person.open("/new"),
        "/new",
        {**NEW, "note": "typed", "dish_name": ["Pie"], "dish_wanted": ["1"], field: value}
        | {"dish_category": ["sides"]},
        expect=422,
    )
    assert said in page.words


@pytest.mark.parametrize(
    ("category", "wanted"),
    [("nonsense", "1"), ("sides", "0"), ("sides", "100"), ("sides", "\uff11")],
)
def test_a_wish_with_a_mistake_comes_back(people: NewBrowser, category: str, wanted: str) -> None:
    person = people()
    wish = {"dish_name": ["Pie"], "dish_category": [category], "dish_wanted": [wanted]}
    page = person.send(person.open("/new"), "/new", {**NEW, **wish}, expect=422)
    assert "Dish 1" in page.text


def test_too_many_wishes_at_once(people: NewBrowser) -> None:
    person = people()
    wish = {"dish_name": ["Pie"] * 41, "dish_category": ["sides"] * 41, "dish_wanted": ["1"] * 41}
    assert (
        "At most 40" in person.send(person.open("/new"), "/new", {**NEW, **wish}, expect=422).text
    )


def test_rows_may_be_incomplete(people: NewBrowser) -> None:
    person = people()
    wish = {"dish_name": ["", "Pie", "Rice"], "dish_category": ["sides"], "dish_wanted": [""]}
    page = person.send(person.open("/new"), "/new", {**NEW, **wish})
    assert set(page.dishes.values()) == {"Pie", "Rice"}


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE guest; --",
    "{{ 7*7 }}",
    "🦃🥧👨‍👩‍👧",
    "\u202egnitset\u202c",
    "nu\x00ll",
    "a\u0301 e\u0308",
    "\u05de\u05e7\u05d5\u05dd",
    "%s %(x)s {0}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(new_browser: NewBrowser, text: str) -> None:
    organiser, guest = new_browser(), new_browser()
    page = organiser.send(
        organiser.open("/new"),
        "/new",
        {**NEW, "title": text, "place": text, "note": text}
        | {"dish_name": [text], "dish_category": ["sides"], "dish_wanted": ["1"]},
    )
    answered = rsvp(guest, page.guest_path, text, dietary_note=text)
    thanked = guest.send(answered, f"{page.guest_path}/thanks", {"text": text})
    shown = guest.raw(page.guest_path).text
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert "49" not in re.sub(r"[0-9a-f]{12,}", "", thanked.text) or "49" in text
    assert "\x00" not in shown
    assert guest.raw(f"{page.guest_path}/event.ics").status_code == 200
    assert organiser.raw(f"{page.url.removeprefix('http://app.test')}".partition("?")[0]).is_success


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Your name is missing"),
        ({"name": "x" * 81}, "Your name is too long"),
        ({"attending": "perhaps"}, "please choose"),
        ({"attending": ""}, "please choose"),
        ({"party_size": "0"}, "whole number from 1 to 50"),
        ({"party_size": "51"}, "whole number from 1 to 50"),
        ({"party_size": "-1"}, "whole number"),
        ({"party_size": "1e3"}, "whole number"),
        ({"party_size": "9" * 400}, "whole number"),
        ({"dietary_note": "x" * 301}, "too long"),
    ],
)
def test_a_wrong_answer_is_explained(
    people: NewBrowser, dinner: Gathering, fields: dict[str, str], said: str
) -> None:
    person = people()
    page = person.open(dinner.guest_path)
    form = {"name": "Ann", "attending": "yes", "party_size": "1", **fields}
    answer = person.send(page, f"{dinner.guest_path}/rsvp", form, expect=422)
    assert said in answer.words
    assert "0 at the table" in people().open(dinner.guest_path).words


def test_an_answer_can_be_changed(people: NewBrowser, dinner: Gathering) -> None:
    person = people()
    rsvp(person, dinner.guest_path, "Ann", party_size="4")
    page = rsvp(person, dinner.guest_path, "Ann B.", party_size="2")
    assert "2 at the table" in page.words
    gone = rsvp(person, dinner.guest_path, "Ann B.", attending="no")
    assert "0 at the table" in gone.words
    assert "You will be missed" in gone.text


def test_declining_with_a_dish_says_that_it_is_free(people: NewBrowser, dinner: Gathering) -> None:
    person = people()
    rsvp(person, dinner.guest_path, "Ann")
    claim(person, dinner.guest_path, "Turkey")
    page = rsvp(person, dinner.guest_path, "Ann", attending="no")
    assert "are free again" in page.text
    assert page.count("Turkey") == "0 of 1"


def test_without_an_answer_nothing_is_claimed(people: NewBrowser, dinner: Gathering) -> None:
    person = people()
    assert "tell us first" in claim(person, dinner.guest_path, "Turkey").text
    page = person.open(dinner.guest_path)
    own = {"category": "sides", "name": "Rice", "portions": "1"}
    assert "tell us first" in person.send(page, f"{dinner.guest_path}/dishes", own).text
    wall = person.send(page, f"{dinner.guest_path}/thanks", {"text": "Hello"})
    assert "Please RSVP first" in wall.text
    withdrawn = f"{dinner.guest_path}/thanks/1/remove"
    person.send(page, withdrawn, {}, expect=404)


@pytest.mark.parametrize("portions", ["0", "100", "x", "-1", "1.5"])
def test_wrong_portions(people: NewBrowser, dinner: Gathering, portions: str) -> None:
    person = people()
    page = rsvp(person, dinner.guest_path, "Ann")
    path = f"{dinner.guest_path}/dishes/{page.dish('Turkey')}/claim"
    assert "whole number" in person.send(page, path, {"portions": portions}, expect=422).text
    own = {"category": "sides", "name": "Rice", "portions": portions}
    person.send(page, f"{dinner.guest_path}/dishes", own, expect=422)


@pytest.mark.parametrize("number", ["0", "999999", "2147483647"])
def test_a_dish_that_is_not_there(people: NewBrowser, dinner: Gathering, number: str) -> None:
    person = people()
    page = rsvp(person, dinner.guest_path, "Ann")
    for action in ("claim", "release"):
        path = f"{dinner.guest_path}/dishes/{number}/{action}"
        assert "no longer on the list" in person.send(page, path, {}).text


@pytest.mark.parametrize("number", ["2147483648", "9" * 40, "-1", "1.0", "x"])
def test_a_dish_that_cannot_be(people: NewBrowser, dinner: Gathering, number: str) -> None:
    person = people()
    page = rsvp(person, dinner.guest_path, "Ann")
    path = f"{dinner.guest_path}/dishes/{number}/claim"
    person.send(page, path, {}, expect=404)


def test_the_wall(people: NewBrowser, dinner: Gathering) -> None:
    author, other, organiser = people(), people(), people()
    page = rsvp(author, dinner.guest_path, "Ann")
    other_page = rsvp(other, dinner.guest_path, "Bob")
    page = author.send(page, f"{dinner.guest_path}/thanks", {"text": "Two\nlines"})
    assert "Two" in page.text
    assert "Take down" in page.text
    assert "Take down" not in other.open(dinner.guest_path).text
    author.send(page, f"{dinner.guest_path}/thanks", {"text": " "}, expect=422)
    author.send(page, f"{dinner.guest_path}/thanks", {"text": "x" * 501}, expect=422)
    found = re.search(r"/thanks/(\d+)/remove", author.raw(dinner.guest_path).text)
    assert found
    number = found[1]
    other.send(other_page, f"{dinner.guest_path}/thanks/{number}/remove", {}, expect=404)
    gone = author.send(page, f"{dinner.guest_path}/thanks/{number}/remove", {})
    assert "Two" not in gone.text
    page = other.send(other_page, f"{dinner.guest_path}/thanks", {"text": "Rude words"})
    dashboard = organiser.open(dinner.organiser_path)
    assert "Rude words" in dashboard.text
    found = re.search(r"/thanks/(\d+)/remove", organiser.raw(dinner.organiser_path).text)
    assert found
    path = f"{dinner.organiser_path}/thanks/{found[1]}/remove"
    assert "Rude words" not in organiser.send(dashboard, path, {}).text
    assert "no longer on the wall" in organiser.send(dashboard, path, {}).text


def test_lists_have_an_end(
    people: NewBrowser, dinner: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model, limit in ((Guest, 1), (Gratitude, 1), (Dish, 3)):
        monkeypatch.setitem(gatherings.LIMITS, model, limit)
    person = people()
    page = rsvp(person, dinner.guest_path, "Ann")
    assert "The list is full" in rsvp(people(), dinner.guest_path, "Bob").text
    assert "Posted" in person.send(page, f"{dinner.guest_path}/thanks", {"text": "1"}).text
    assert "is full" in person.send(page, f"{dinner.guest_path}/thanks", {"text": "2"}).text
    organiser = people()
    wish = {"category": "sides", "name": "Rice", "wanted": "1"}
    dashboard = organiser.open(dinner.organiser_path)
    assert "is full" in organiser.send(dashboard, f"{dinner.organiser_path}/dishes", wish).text


def test_a_closed_gathering(people: NewBrowser, dinner: Gathering) -> None:
    person, organiser = people(), people()
    page = rsvp(person, dinner.guest_path, "Ann")
    dashboard = organiser.open(dinner.organiser_path)
    path = f"{dinner.organiser_path}/rsvps"
    assert "RSVPs are closed" in organiser.send(dashboard, path, {"rsvps": "close"}).text
    answer = {"name": "Ann", "attending": "no"}
    assert "has closed" in person.send(page, f"{dinner.guest_path}/rsvp", answer, expect=403).text
    person.send(page, f"{dinner.guest_path}/thanks", {"text": "Late"}, expect=403)
    claimed = f"{dinner.guest_path}/dishes/{page.dish('Turkey')}/claim"
    assert "has closed RSVPs" in person.send(page, claimed, {}).text
    assert "1 at the table" in people().open(dinner.guest_path).words
    organiser.send(dashboard, path, {"rsvps": "ajar"}, expect=422)
    assert "RSVPs are open" in organiser.send(dashboard, path, {"rsvps": "open"}).text


def test_editing(people: NewBrowser, dinner: Gathering) -> None:
    organiser, guest = people(), people()
    form = organiser.open(f"{dinner.organiser_path}/edit")
    changed = {**NEW, "title": "New title", "edit_version": "1"}
    page = organiser.send(form, f"{dinner.organiser_path}/edit", changed)
    assert "New title" in page.text
    assert "New title" in guest.open(dinner.guest_path).text
    wrong = {**changed, "title": ""}
    answer = organiser.send(form, f"{dinner.organiser_path}/edit", wrong, expect=422)
    assert "The title is missing" in answer.text


@pytest.mark.parametrize("version", ["1", "", "0", "3", "x"])
def test_a_stale_edit_overwrites_nothing(
    people: NewBrowser, dinner: Gathering, version: str
) -> None:
    organiser = people()
    path = f"{dinner.organiser_path}/edit"
    form = organiser.open(path)
    organiser.send(form, path, {**NEW, "title": "First", "edit_version": "1"})
    late = {**NEW, "title": "Second", "edit_version": version}
    answer = organiser.send(form, path, late, expect=409)
    assert "First" in organiser.open(dinner.organiser_path).text
    assert "First" in answer.text
    assert (
        'value="Second"'
        in organiser.client.post(
            f"http://app.test{path}", data={"csrf_token": form.token, **late}
        ).text
    )
    organiser.send(answer, path, {**late, "edit_version": "2"})
    assert "Second" in organiser.open(dinner.organiser_path).text


def test_the_wish_list_is_edited(people: NewBrowser, dinner: Gathering) -> None:
    organiser, guest = people(), people()
    page = organiser.open(dinner.organiser_path)
    dishes = f"{dinner.organiser_path}/dishes"
    wish = {"category": "sides", "name": "Gravy", "wanted": "2"}
    page = organiser.send(page, dishes, wish)
    assert page.count("Gravy") == "0 of 2"
    one = f"{dishes}/{page.dish('Gravy')}"
    page = organiser.send(page, one, {**wish, "name": "Brown gravy", "wanted": "3"})
    assert page.count("Brown gravy") == "0 of 3"
    rsvp(guest, dinner.guest_path, "Ann")
    claim(guest, dinner.guest_path, "Brown gravy", 2)
    page = organiser.send(page, one, {**wish, "wanted": "1"})
    assert "already claimed" in page.text
    assert page.count("Brown gravy") == "2 of 3"
    assert organiser.send(page, one, {**wish, "wanted": "2"}).count("Gravy") == "2 of 2"
    organiser.send(page, one, {**wish, "wanted": "0"}, expect=422)
    organiser.send(page, dishes, {**wish, "category": "x"}, expect=422)
    page = organiser.send(page, f"{one}/remove", {})
    assert "Gravy" not in page.dishes.values()
    assert "no longer on the list" in organiser.send(page, f"{one}/remove", {}).text
    organiser.send(page, one, wish, expect=404)


def test_a_guests_own_dish_is_not_the_organisers_to_change(
    people: NewBrowser, dinner: Gathering
) -> None:
    guest, organiser = people(), people()
    page = rsvp(guest, dinner.guest_path, "Ann")
    own = {"category": "sides", "name": "Rice", "portions": "1"}
    page = guest.send(page, f"{dinner.guest_path}/dishes", own)
    dashboard = organiser.open(dinner.organiser_path)
    path = f"{dinner.organiser_path}/dishes/{page.dish('Rice')}"
    wish = {"category": "sides", "name": "Beans", "wanted": "1"}
    organiser.send(dashboard, path, wish, expect=404)
    assert "Rice" not in organiser.send(dashboard, f"{path}/remove", {}).dishes.values()


def test_a_removed_guest_leaves_the_dishes(people: NewBrowser, dinner: Gathering) -> None:
    guest, organiser = people(), people()
    rsvp(guest, dinner.guest_path, "Ann", party_size="5")
    page = claim(guest, dinner.guest_path, "Turkey")
    guest.send(page, f"{dinner.guest_path}/thanks", {"text": "Bye"})
    dashboard = organiser.open(dinner.organiser_path)
    found = re.search(r"/guests/(\d+)/remove", organiser.raw(dinner.organiser_path).text)
    assert found
    path = f"{dinner.organiser_path}/guests/{found[1]}/remove"
    page = organiser.send(dashboard, path, {})
    assert page.count("Turkey") == "0 of 1"
    assert "0 at the table" in page.words
    assert "no longer on the list" in organiser.send(dashboard, path, {}).text


def test_links_are_revoked_and_replaced(new_browser: NewBrowser, event: Gathering) -> None:
    organiser, guest = new_browser(), new_browser()
    rsvp(guest, event.guest_path, "Ann")
    dashboard = organiser.open(event.organiser_path)
    path = f"{event.organiser_path}/guest-link"
    fresh = organiser.send(dashboard, path, {"link": "new"})
    assert fresh.guest_path not in ("", event.guest_path)
    guest.open(event.guest_path, expect=404)
    assert "Your answer" in guest.open(fresh.guest_path).text
    off = organiser.send(dashboard, path, {"link": "off"})
    assert off.guest_path == ""
    guest.open(fresh.guest_path, expect=404)
    assert "URL:http://app.test/\r\n" in organiser.raw(f"{event.organiser_path}/event.ics").text
    organiser.send(dashboard, path, {"link": "sideways"}, expect=422)
    again = organiser.send(dashboard, path, {"link": "new"})
    assert "Ann" in guest.open(again.guest_path).text
    moved = organiser.send(dashboard, f"{event.organiser_path}/organiser-link", {})
    organiser.open(event.organiser_path, expect=404)
    organiser.open(moved.url.removeprefix("http://app.test"))
    guest.open(again.guest_path)


@pytest.mark.parametrize("suffix", ["", "/event.ics", "/rsvp", "/thanks", "/dishes/1/claim"])
@pytest.mark.parametrize("token", ["A" * 24, "x", "%00", "a" * 3000, "..%2f..", "<b>"])
def test_wrong_links_are_not_found(people: NewBrowser, token: str, suffix: str) -> None:
    person = people()
    page = person.open("/new")
    path = f"/g/{token}{suffix}"
    if suffix in ("", "/event.ics"):
        assert person.raw(path).status_code == 404
    else:
        fields = {"name": "x", "attending": "yes", "text": "x", "csrf_token": page.token}
        assert person.post(path, fields).status_code == 404


@pytest.mark.parametrize("suffix", ["", "/edit", "/guests.csv", "/dishes.csv", "/event.ics"])
def test_a_guest_link_opens_no_organiser_page(
    people: NewBrowser, dinner: Gathering, suffix: str
) -> None:
    token = dinner.guest_path.removeprefix("/g/")
    assert people().raw(f"/o/{token}{suffix}").status_code == 404
    organiser = dinner.organiser_path.removeprefix("/o/")
    assert people().raw(f"/g/{organiser}").status_code == 404


def test_deleting_takes_everything(new_browser: NewBrowser, event: Gathering) -> None:
    organiser, guest = new_browser(), new_browser()
    page = rsvp(guest, event.guest_path, "Ann")
    claim(guest, event.guest_path, "Turkey")
    guest.send(page, f"{event.guest_path}/thanks", {"text": "Bye"})
    dashboard = organiser.open(event.organiser_path)
    path = f"{event.organiser_path}/delete"
    answer = organiser.send(dashboard, path, {}, expect=422)
    assert "Please tick the box" in answer.text
    assert "is deleted" in organiser.send(dashboard, path, {"confirm": "1"}).text
    organiser.open(event.organiser_path, expect=404)
    guest.open(event.guest_path, expect=404)
    assert "is deleted" in organiser.send(dashboard, path, {"confirm": "1"}).text
    organiser.send(dashboard, f"{event.organiser_path}/rsvps", {"rsvps": "close"}, expect=404)


def test_unknown_notices_are_not_shown(people: NewBrowser, dinner: Gathering) -> None:
    text = people().open(f"{dinner.guest_path}?notice=You+have+won").text
    assert "won" not in text


def test_an_unchanged_page_is_not_sent_again(people: NewBrowser, dinner: Gathering) -> None:
    person = people()
    first = person.raw(dinner.guest_path)
    tag = first.headers["ETag"]
    # The first answer set the cookie; from then on the page is the same one.
    again = person.raw(dinner.guest_path, **{"If-None-Match": tag})
    assert again.status_code == 304
    assert not again.content
    assert people().raw(dinner.guest_path, **{"If-None-Match": tag}).status_code == 200
    rsvp(people(), dinner.guest_path, "Bob")
    changed = person.raw(dinner.guest_path, **{"If-None-Match": tag})
    assert changed.status_code == 200
    assert "Bob" in changed.text


def test_nobody_sees_another_ones_form(people: NewBrowser, dinner: Gathering) -> None:
    ann, bob = people(), people()
    rsvp(ann, dinner.guest_path, "Ann", dietary_note="Allergic to bees")
    ann.open(dinner.guest_path)
    page = bob.raw(dinner.guest_path).text
    assert "Allergic to bees" not in page
    assert ann.open(dinner.guest_path).token != bob.open(dinner.guest_path).token
    assert ann.open(dinner.guest_path).token not in page


@pytest.mark.parametrize("guests", [0, 1, 12])
def test_pages_ask_as_often_for_many_guests_as_for_none(
    lite: Flask, people: NewBrowser, dinner: Gathering, guests: int
) -> None:
    for number in range(guests):
        person = people()
        page = rsvp(person, dinner.guest_path, f"Guest {number}")
        own = {"category": "sides", "name": f"Dish {number}", "portions": "1"}
        person.send(page, f"{dinner.guest_path}/dishes", own)
    reader = people()
    queries = 0

    def count(*_: object) -> None:
        nonlocal queries
        queries += 1

    engine = lite.extensions["engine"]
    engine_events.listen(engine, "after_cursor_execute", count)
    for path in (dinner.guest_path, dinner.organiser_path):
        queries = 0
        reader.open(path)
        assert queries == 6  # with BEGIN
    engine_events.remove(engine, "after_cursor_execute", count)


def test_static_files_are_kept(people: NewBrowser) -> None:
    home = people().raw("/").text
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', home):
        answer = people().raw(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert people().raw("/static/../config.py").status_code == 404
    missing = people().raw("/static/missing.css")
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")


def test_browser_is_typed() -> None:
    assert Browser("http://x.test/").base_url == "http://x.test"
