"""Anything to any route: never a 5xx, and what was there before is still there."""

import re

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acceptance import journeys
from tests.app.conftest import browsers

FIELDS = sorted(
    {"title", "date", "time", "timezone", "place", "note", "dish_name", "dish_category"}
    | {"dish_wanted", "edit_version", "rsvps", "link", "category", "name", "wanted", "attending"}
    | {"party_size", "vegan", "dietary_note", "portions", "text", "confirm", "notice"}
)
TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["yes", "no", "open", "close", "new", "off", "sides", "1", "2", "99", "-1", "0"]
    ),
    st.sampled_from(["2026-11-26", "0001-01-01", "9999-12-31", "15:00", "UTC", "America/New_York"]),
    st.sampled_from(["\x00", "\u202e", "A" * 3000, "1" * 400, "'\"<&>", "%00"]),
    st.integers().map(str),
)
IDS = st.one_of(
    st.integers(0, 5).map(str), st.sampled_from(["2147483648", "-1", "x", "%00", "1.0"])
)


def routes(app: Flask) -> list[tuple[str, str]]:
    return [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if method in ("GET", "POST") and rule.endpoint != "static" and not rule.rule.endswith("/delete")
        and not rule.rule.endswith("-link")
    ]  # fmt: skip


# Few and always the same in the fast tests; many and new ones beside those with an engine, which ./inv test and every
# night run.
@pytest.mark.parametrize("examples", [50, pytest.param(500, marks=pytest.mark.engine)])
def test_nothing_makes_a_5xx(lite: Flask, dinner: journeys.Gathering, examples: int) -> None:
    person = browsers(lite)()
    key = journeys.rsvp(person, dinner.guest_path, "Ann").token

    @settings(max_examples=examples, deadline=None, derandomize=examples == 50)
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        nonlocal key
        method, rule = data.draw(st.sampled_from(routes(lite)))
        own = dinner.organiser_path if rule.startswith("/o/") else dinner.guest_path
        token = own[3:] if data.draw(st.booleans()) else data.draw(st.sampled_from(["x", "A" * 24]))
        path = rule.replace("<token>", token)
        path = re.sub(r"<int[^>]*>", lambda _: data.draw(IDS), path)
        fields = data.draw(
            st.dictionaries(
                st.sampled_from(FIELDS), st.one_of(TEXT, st.lists(TEXT, max_size=3)), max_size=8
            )
        )
        if method == "GET":
            answer = person.client.get(f"http://app.test{path}", params=fields)
        else:
            form = {**fields, "csrf_token": key}
            answer = person.client.post(f"http://app.test{path}", data=form)
        key = person.open(dinner.guest_path).token  # answers 200 whatever has come
        assert answer.status_code < 500 or (rule, answer.status_code) == ("/readyz", 503)

    ask()
