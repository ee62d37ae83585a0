"""A gathering for other programs: CSV for spreadsheets, iCalendar for calendars."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import timedelta

from icalendar import Calendar, Event

from thanksgiving.models import DIETS, Gathering, now

#: How long a gathering takes in a calendar.
DURATION = timedelta(hours=4)
#: Before a sign that makes a spreadsheet run a cell as a formula, also in its wide, small and typographic forms: the
#: start of the text, or whatever some reader takes for the end of the cell before.
FORMULA = re.compile(
    r'(^|[,;|\t\r\n])([\s"]*)(?=[-=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212])'
)


def guests_csv(event: Gathering) -> str:
    """One line for each answer, with a header."""
    rows: list[list[object]] = [["name", "coming", "people", *DIETS.values(), "note", "brings"]]
    for guest in event.guests:
        claims = ((dish.name, claim) for dish in event.dishes for claim in dish.claims)
        mine = [(name, claim.portions) for name, claim in claims if claim.guest is guest]
        brings = ", ".join(f"{number} x {name}" for name, number in mine)
        people = guest.party_size if guest.attending else 0
        diets = [_yes(getattr(guest, diet)) for diet in DIETS]
        rows.append([guest.name, _yes(guest.attending), people, *diets, guest.dietary_note, brings])
    return _csv(rows)


def dishes_csv(event: Gathering) -> str:
    """One line for each dish, with a header."""
    rows: list[list[object]] = [["category", "dish", "wanted", "taken", "missing", "brought by"]]
    for dish in event.dishes:
        by = ", ".join(f"{claim.portions} x {claim.guest.name}" for claim in dish.claims)
        rows.append(
            [dish.category, dish.name, dish.wanted, dish.taken, dish.wanted - dish.taken, by]
        )
    return _csv(rows)


def calendar(event: Gathering, url: str) -> str:
    """The event as an iCalendar file; a newer edit replaces an older one in the calendar."""
    entry = Event()
    entry.add("uid", event.uid)
    entry.add("sequence", event.edit_version)
    entry.add("dtstamp", now())
    entry.add("dtstart", event.starts_at)
    entry.add("dtend", event.starts_at + DURATION)
    entry.add("summary", event.title)
    entry.add("location", event.place)
    if event.note:
        entry.add("description", event.note)
    entry.add("url", url)
    file = Calendar()
    file.add("version", "2.0")
    file.add("prodid", "-//Harvest Table//EN")
    file.add("method", "PUBLISH")
    file.add_component(entry)
    return str(file.to_ical(), "utf-8")


def _csv(rows: Iterable[list[object]]) -> str:
    out = io.StringIO()
    out.write("\ufeff")  # spreadsheets take the file for UTF-8 only with this mark
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return FORMULA.sub(r"\1\2'", value) if isinstance(value, str) else value


def _yes(value: bool) -> str:
    return "yes" if value else "no"
