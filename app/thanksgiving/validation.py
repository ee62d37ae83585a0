"""Reads form fields: normalised text within its limits, or a message for the person who typed it."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

CATEGORIES = {
    "mains": "Mains",
    "sides": "Sides",
    "desserts": "Desserts",
    "drinks": "Drinks",
    "other": "Everything else",
}
MAX_PARTY = 50
MAX_WANTED = 99
MAX_WISHES = 40
FIRST_YEAR, LAST_YEAR = 2000, 2100
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
#: Control characters other than line breaks; PostgreSQL cannot store a null byte at all.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Wish(NamedTuple):
    """A dish as somebody enters it: a key of ``CATEGORIES``, its name, how many portions."""

    category: str
    name: str
    amount: int


class Form:
    """Fields of one submitted form. Problems gather in ``errors`` (field -> sentence), the first of each field."""

    def __init__(self, fields: MultiDict[str, str]) -> None:
        self.fields = fields
        self.errors: dict[str, str] = {}

    def error(self, field: str, sentence: str) -> None:
        """Notes what is wrong with a field."""
        self.errors.setdefault(field, sentence)

    def text(
        self, field: str, label: str, limit: int, *, required: bool = False, lines: bool = False
    ) -> str:
        """A text of at most ``limit`` characters, with line breaks only where ``lines`` says so."""
        value = clean(self.fields.get(field, ""), lines=lines)
        if required and not value:
            self.error(field, f"{label} is missing.")
        if len(value) > limit:
            self.error(field, f"{label} is too long: {len(value)} characters, {limit} fit.")
        return value

    def number(self, field: str, label: str, low: int, high: int, *, default: int) -> int:
        """A whole number from ``low`` to ``high``; ``default`` when the field is empty."""
        value = parse_number(self.fields.get(field, ""), low, high, default)
        if value is None:
            self.error(field, f"{label} must be a whole number from {low} to {high}.")
            return default
        return value

    def choice(self, field: str, label: str, choices: Iterable[str]) -> str:
        """One of ``choices``."""
        value = self.fields.get(field, "")
        if value not in choices:
            self.error(field, f"{label}: please choose one of the list.")
        return value

    def flag(self, field: str) -> bool:
        """Whether a checkbox is ticked."""
        return field in self.fields

    def moment(self) -> tuple[datetime, str]:
        """The fields ``date``, ``time`` and ``timezone`` as an instant in UTC and the zone's name."""
        name = self.fields.get("timezone", "").strip()
        zone = _zone(name)
        if zone is None:
            self.error("timezone", "Time zone: please use a name such as America/New_York.")
        text = f"{self.fields.get('date', '').strip()} {self.fields.get('time', '').strip()}"
        try:
            local = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=zone or UTC)
        except ValueError:
            self.error("date", "Date and time: please fill in both, such as 2026-11-26 and 15:00.")
            return datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), name
        if not FIRST_YEAR <= local.year <= LAST_YEAR:
            self.error("date", f"Date: please choose a year from {FIRST_YEAR} to {LAST_YEAR}.")
            return datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), name
        return local.astimezone(UTC), name

    def wishes(self) -> list[Wish]:
        """The rows of the wish-list; those without a name are left out."""
        names = self.fields.getlist("dish_name")
        categories = self.fields.getlist("dish_category")
        amounts = self.fields.getlist("dish_wanted")
        rows: list[Wish] = []
        for index, raw in enumerate(names):
            name = clean(raw)
            if not name:
                continue
            category = categories[index] if index < len(categories) else "other"
            amount = parse_number(amounts[index] if index < len(amounts) else "", 1, MAX_WANTED, 1)
            if len(name) > 80 or category not in CATEGORIES or amount is None:  # noqa: PLR2004 - the column
                self.error(
                    "dishes",
                    f"Dish {index + 1}: a name of at most 80 characters, a category of the list"
                    f" and a number from 1 to {MAX_WANTED}, please.",
                )
                continue
            rows.append(Wish(category, name, amount))
        if len(rows) > MAX_WISHES:
            self.error("dishes", f"At most {MAX_WISHES} dishes at once; more can be added later.")
        return rows


def clean(value: str, *, lines: bool = False) -> str:
    """Text as it is stored: composed, trimmed, without control characters, with plain line breaks or none."""
    value = value.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if not lines:
        value = value.replace("\n", " ")
    return unicodedata.normalize("NFC", _CONTROL.sub("", value)).strip()


def parse_number(text: str, low: int, high: int, default: int) -> int | None:
    """A whole number in ASCII digits, ``default`` when empty, None when it is anything else or out of range."""
    text = text.strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 - no huge integers
        return None
    value = int(text)
    return value if low <= value <= high else None


def _zone(name: str) -> ZoneInfo | None:
    if len(name) > 64 or not _ZONE.fullmatch(name):  # noqa: PLR2004 - the column
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return None
