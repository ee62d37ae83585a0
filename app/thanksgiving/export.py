"""A gathering for other programs: CSV for spreadsheets, iCalendar for calendars."""

import csv
import hashlib
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from thanksgiving.snapshot import Snapshot

#: How long a gathering takes in a calendar.
DURATION = timedelta(hours=4)
#: iCalendar lines are at most this many bytes long (RFC 5545, 3.1).
LINE_BYTES = 75
#: A cell that starts with one of these would be run as a formula by spreadsheets.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guests_csv(event: Snapshot) -> str:
    """One line for each answer, with a header."""
    return _csv(
        [
            "name",
            "coming",
            "people",
            "vegetarian",
            "vegan",
            "gluten-free",
            "no nuts",
            "note",
            "brings",
        ],
        (
            [
                guest.name,
                _yes(guest.attending),
                guest.party_size if guest.attending else 0,
                _yes(guest.vegetarian),
                _yes(guest.vegan),
                _yes(guest.gluten_free),
                _yes(guest.nuts),
                guest.dietary_note,
                ", ".join(
                    f"{portions} x {dish.name}"
                    for dish in event.dishes
                    if (portions := dish.portions_of(guest))
                ),
            ]
            for guest in event.guests
        ),
    )


def dishes_csv(event: Snapshot) -> str:
    """One line for each dish, with a header."""
    return _csv(
        ["category", "dish", "wanted", "taken", "missing", "brought by"],
        (
            [
                dish.category,
                dish.name,
                dish.wanted,
                dish.taken,
                dish.missing,
                ", ".join(f"{portions} x {guest.name}" for guest, portions in dish.brought_by),
            ]
            for dish in event.dishes
        ),
    )


def calendar(event: Snapshot, url: str) -> str:
    """The event as an iCalendar file; a newer edit replaces an older one in the calendar."""
    uid = hashlib.sha256(f"{event.id} {event.starts_at.tzinfo} thanksgiving".encode()).hexdigest()
    now = datetime.now(UTC)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Harvest Table//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{uid[:32]}@harvest-table",
        f"SEQUENCE:{event.edit_version}",
        f"DTSTAMP:{_moment(now)}",
        f"DTSTART:{_moment(event.starts_at)}",
        f"DTEND:{_moment(event.starts_at + DURATION)}",
        f"SUMMARY:{_escape(event.title)}",
        f"LOCATION:{_escape(event.place)}",
        *([f"DESCRIPTION:{_escape(event.note)}"] if event.note else []),
        f"URL:{url}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_fold(line)}\r\n" for line in lines)


def _csv(header: list[str], rows: Iterable[list[str | int]]) -> str:
    out = io.StringIO()
    out.write("\ufeff")  # spreadsheets take the file for UTF-8 only with this mark
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: str | int) -> str | int:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escape(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return text.replace("\n", "\\n")


def _fold(line: str) -> str:
    """Breaks a long line between characters, with a space at the start of what follows."""
    parts: list[str] = []
    part, size = "", 0
    for character in line:
        length = len(character.encode())
        if size + length > LINE_BYTES:
            parts.append(part)
            part, size = " ", 1
        part, size = part + character, size + length
    return "\r\n".join([*parts, part])
