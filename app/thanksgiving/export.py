"""A gathering for other programs: CSV for spreadsheets, iCalendar for calendars."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import timedelta

from flask import Response, request
from icalendar import Calendar, Event

from thanksgiving.models import DIETS, YES, Gathering, now

#: Before a sign that makes a spreadsheet run a cell as a formula, also in its wide, small and typographic forms: the
#: start of the text, or whatever some reader takes for the end of the cell before.
FORMULA = re.compile(
    r'(^|[,;|\t\r\n])([\s"]*)(?=[-=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212])'
)


def guests_csv(event: Gathering) -> Response:
    """One line for each answer, with a header."""
    rows: list[list[object]] = [["name", "coming", "people", *DIETS.values(), "note", "brings"]]
    for guest in event.guests:
        claims = ((dish.name, claim) for dish in event.dishes for claim in dish.claims)
        mine = [(name, claim.portions) for name, claim in claims if claim.guest is guest]
        brings = ", ".join(f"{number} x {name}" for name, number in mine)
        people = guest.party_size if guest.attending else 0
        diets = [YES[getattr(guest, diet)] for diet in DIETS]
        rows.append([guest.name, YES[guest.attending], people, *diets, guest.dietary_note, brings])
    return _csv("guests.csv", rows)


def dishes_csv(event: Gathering) -> Response:
    """One line for each dish, with a header."""
    rows: list[list[object]] = [["category", "dish", "wanted", "taken", "missing", "brought by"]]
    for dish in event.dishes:
        by = ", ".join(f"{claim.portions} x {claim.guest.name}" for claim in dish.claims)
        counts = [dish.wanted, dish.taken, dish.wanted - dish.taken]
        rows.append([dish.category, dish.name, *counts, by])
    return _csv("dishes.csv", rows)


def calendar(event: Gathering) -> Response:
    """The event as an iCalendar file; it names the guest link only, since it may be shown around."""
    entry = Event()
    entry.add("uid", event.uid)
    entry.add("sequence", event.edit_version)  # a newer edit replaces an older one
    entry.add("dtstamp", now())
    entry.add("dtstart", event.starts_at)
    entry.add("dtend", event.starts_at + timedelta(hours=4))
    entry.add("summary", event.title)
    entry.add("location", event.place)
    if event.note:
        entry.add("description", event.note)
    entry.add("url", request.host_url + (f"g/{event.guest_token}" if event.guest_token else ""))
    file = Calendar()
    file.add("version", "2.0")
    file.add("prodid", "-//Harvest Table//EN")
    file.add("method", "PUBLISH")
    file.add_component(entry)
    return _download("thanksgiving.ics", "text/calendar", str(file.to_ical(), "utf-8"))


def _csv(name: str, rows: Iterable[list[object]]) -> Response:
    out = io.StringIO()
    out.write("\ufeff")  # spreadsheets take the file for UTF-8 only with this mark
    for row in rows:
        texts = (FORMULA.sub(r"\1\2'", cell) if isinstance(cell, str) else cell for cell in row)
        csv.writer(out).writerow(texts)
    return _download(name, "text/csv", out.getvalue())


def _download(name: str, mimetype: str, content: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, content_type=f"{mimetype}; charset=utf-8")
