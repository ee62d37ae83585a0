"""The forms: what may be sent, as normalised text, or a message for the person who typed it."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from itertools import zip_longest
from typing import Any, Self
from zoneinfo import ZoneInfo

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, IntegerField, StringField, ValidationError
from wtforms.validators import AnyOf, DataRequired, Length, NumberRange

from thanksgiving.models import CATEGORIES, DIETS, YES, Base, Gathering
from thanksgiving.security import VisitorCSRF

MAX_PARTY, MAX_WANTED, MAX_WISHES, NAME_LENGTH = 50, 99, 40, 80
FIRST_YEAR, LAST_YEAR = 2000, 2100
#: What changes the direction of the text around it, beyond the field that it was typed in.
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: Letters and symbols of Unicode that show nothing: Hangul fillers, the empty Braille pattern, an empty note head.
BLANK = set("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
#: Joiners, marks of direction, and the tags that flags are made of: invisible, but not without effect.
KEPT = set("\n\u200c\u200d\u200e\u200f\u061c") | {chr(tag) for tag in range(0xE0020, 0xE0080)}


def clean(value: str | None, *, lines: bool = False) -> str:
    """Text as it is stored: composed, trimmed, without what is invisible; empty when nothing of it can be seen."""
    text = re.sub("\r\n?", "\n", value or "").replace("\t", " ")
    if not lines:
        text = re.sub("[\n\u2028\u2029]", " ", text)
    text = BIDI.sub("", unicodedata.normalize("NFC", text))
    kinds = [(character, unicodedata.category(character)) for character in text]
    if not any(kind[0] in "LNPS" and character not in BLANK for character, kind in kinds):
        return ""
    hidden = ("Cc", "Cf", "Cs")
    return "".join(c for c, kind in kinds if kind not in hidden or c in KEPT).strip()


@cache
def zones() -> frozenset[str]:
    """The names of the tz database; the machine's own folder has others, which another machine would not know."""
    return frozenset((files("tzdata") / "zones").read_text().split()) - {"Factory"}


def moment(day: str, time: str, zone: str) -> datetime:
    """The instant in UTC of a wall time, the first one where it comes twice; ValidationError where clocks skip it."""
    try:
        wall = datetime.strptime(f"{day} {time}", "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone))
    except ValueError as error:
        example = "such as 2026-11-26 and 15:00."
        raise ValidationError(f"Date and time: please fill in both, {example}") from error
    if not FIRST_YEAR <= wall.year <= LAST_YEAR:
        raise ValidationError(f"Date: please choose a year from {FIRST_YEAR} to {LAST_YEAR}.")
    instant = wall.astimezone(UTC)
    if instant.astimezone(wall.tzinfo).replace(tzinfo=None) != wall.replace(tzinfo=None):
        raise ValidationError(f"Date and time: clocks in {zone} skip {time} on that day.")
    return instant


def text(subject: str, limit: int, *, required: bool = False, lines: bool = False) -> StringField:
    """A field for text; ``subject`` is what messages call it."""
    too_long = f"{subject} is too long: %(length)d characters, %(max)d fit."
    checks = [DataRequired(f"{subject} is missing.")] if required else []
    checks.append(Length(max=limit, message=too_long))
    return StringField("", checks, [partial(clean, lines=lines)])


def choice(subject: str, *choices: str, **options: Any) -> StringField:
    """A field with one of ``choices``."""
    check = AnyOf(choices, f"{subject}: please choose one of the list.")
    return StringField("", [check], **options)


class WholeNumber(IntegerField):  # type: ignore[misc] # untyped
    """A whole number from 1 to ``limit``; 1 where nothing is sent."""

    data: Any

    def __init__(self, subject: str, limit: int, **options: Any) -> None:
        problem = f"{subject} must be a whole number from 1 to {limit}."
        super().__init__("", [NumberRange(1, limit, problem)], default=1, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        if typed := "".join(valuelist[:1]).strip():  # NumberRange refuses None
            self.data = int(typed) if re.fullmatch("[0-9]{1,9}", typed) else None


class RefusedError(Exception):
    """A form that must not be taken, with what was typed, why, and the HTTP status for it."""

    def __init__(self, form: "Form", status: int, *problems: str) -> None:
        super().__init__(status)
        self.form, self.status = form, status
        form.form_errors.extend(problems)


class Form(FlaskForm):  # type: ignore[misc] # untyped
    """A form with the key that every POST carries; as it is, the form of a button."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        csrf_class = VisitorCSRF

    #: The fields that are columns of the same name.
    columns: Sequence[str] = ()

    @classmethod
    def sent(cls) -> Self:
        """The form of this request; raises RefusedError where something is wrong with it."""
        form: Self = cls()
        if not form.validate():
            raise RefusedError(form, 400 if form.csrf_token.errors else 422)
        return form

    @property
    def problems(self) -> str:
        return " ".join(str(message) for messages in self.errors.values() for message in messages)

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, by column."""
        return {column: self[column].data for column in self.columns}

    def changes(self, row: Base) -> dict[str, Any]:
        """The values that differ from what is stored."""
        return {name: value for name, value in self.values.items() if getattr(row, name) != value}


class GatheringForm(Form):
    title = text("The title", 120, required=True)
    timezone = StringField(filters=[clean])
    time = StringField(filters=[clean])
    date = StringField(filters=[clean])
    starts_at = Field()  # set by ``validate_date``
    place = text("The place", 200, required=True)
    note = text("The note", 2000, lines=True)
    columns = ("title", "timezone", "place", "note", "starts_at")

    def validate_timezone(self, field: Field) -> None:
        if field.data not in zones():
            raise ValidationError("Time zone: please use a name such as America/New_York.")

    def validate_date(self, field: Field) -> None:
        zone = self.timezone.data if self.timezone.data in zones() else "UTC"
        self.starts_at.data = moment(field.data, self.time.data, zone)


class NewForm(GatheringForm):
    """A new gathering with its wish-list, three fields that repeat row by row."""

    dish_name = StringField()
    wishes: Sequence[dict[str, Any]] = ()

    @property
    def rows(self) -> list["DishForm"]:
        """The form of each row as it was typed."""
        typed = (request.form.getlist(f"dish_{column}") for column in DishForm.columns)
        rows = [zip(DishForm.columns, row, strict=True) for row in zip_longest(*typed)]
        filled = (MultiDict((column, text) for column, text in row if text) for row in rows)
        return [DishForm(form, meta={"csrf": False}) for form in filled]

    def validate_dish_name(self, _field: Field) -> None:
        """Sets ``wishes``, without rows that have no name."""
        rows = [(number, row) for number, row in enumerate(self.rows, 1) if row.name.data]
        for number, row in rows:
            if not row.validate():
                raise ValidationError(f"Dish {number}: {row.problems}")
        if len(rows) > MAX_WISHES:
            raise ValidationError(f"At most {MAX_WISHES} dishes at once; more can be added later.")
        self.wishes = [row.values for _, row in rows]


class EditForm(GatheringForm):
    """Changes to a gathering, made from the ``edit_version`` that the organiser saw."""

    edit_version = StringField(default="")

    def changes(self, row: Gathering) -> dict[str, Any]:  # type: ignore[override]
        start = row.local_start
        wall_time = (f"{start:%Y-%m-%d}", f"{start:%H:%M}", row.timezone)
        if wall_time == (self.date.data, self.time.data, self.timezone.data):
            self.starts_at.data = row.starts_at  # perhaps the second of an hour that comes twice
        return super().changes(row)


class DishForm(Form):
    """A wish of the organiser; ``edit_version`` is that of the dish which they saw, empty where a client has none."""

    name = text("The dish", NAME_LENGTH, required=True)
    category = choice("The category", *CATEGORIES, default="other")
    wanted = WholeNumber("The number", MAX_WANTED)
    edit_version = StringField(default="")
    columns = ("category", "name", "wanted")


class OwnDishForm(DishForm):
    """Something that a guest brings unasked."""

    wanted = WholeNumber("The number of portions", MAX_WANTED, name="portions")


class RsvpForm(Form):
    name = text("Your name", NAME_LENGTH, required=True)
    attending = choice("Are you coming", "yes", "no", filters=[lambda value: YES.get(value, value)])
    party_size = WholeNumber("The number of people", MAX_PARTY)
    vegetarian = BooleanField()
    vegan = BooleanField()
    gluten_free = BooleanField()
    nuts = BooleanField()
    dietary_note = text("What else to know", 300)
    columns = ("name", "party_size", "dietary_note", *DIETS)


class ClaimForm(Form):
    portions = WholeNumber("The number of portions", MAX_WANTED)


class ThanksForm(Form):
    text = text("What you are grateful for", 500, required=True, lines=True)


class RsvpsForm(Form):
    rsvps = choice("RSVPs", "open", "close")


class GuestLinkForm(Form):
    link = choice("The guest link", "new", "off")


class DeleteForm(Form):
    confirm = BooleanField(
        "", [DataRequired("Please tick the box if you really want to delete everything.")]
    )
