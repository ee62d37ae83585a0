"""The forms: what may be sent, as normalised text, or a message for the person who typed it."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any, Self
from zoneinfo import ZoneInfo

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, IntegerField, StringField, ValidationError
from wtforms.validators import AnyOf, DataRequired
from wtforms.widgets import NumberInput

from thanksgiving.models import CATEGORIES, DIETS, Gathering, Guest
from thanksgiving.security import VisitorCSRF

MAX_PARTY, MAX_WANTED, MAX_WISHES = 50, 99, 40
FIRST_YEAR, LAST_YEAR = 2000, 2100
NAME_LENGTH = 80
#: What changes the direction of the text around it, beyond the field that it was typed in.
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: Letters and symbols of Unicode that show nothing: Hangul fillers, the empty Braille pattern, an empty note head.
BLANK = set("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
#: Joiners, marks of direction, and the tags that flags are made of: invisible, but not without effect.
KEPT = set("\n\u200c\u200d\u200e\u200f\u061c") | {chr(tag) for tag in range(0xE0020, 0xE0080)}


def clean(value: str | None, *, lines: bool = False) -> str:
    """Text as it is stored: composed, trimmed, without what is invisible, with plain line breaks or none.

    Empty when nothing of it can be seen.
    """
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
    """The instant in UTC of a wall time. Where clocks go back and a time comes twice, the first one is meant.

    Raises:
        ValidationError: The text is no time, or clocks skip it.
    """
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


class Text(StringField):  # type: ignore[misc] # untyped
    """A text of at most ``limit`` characters; ``subject`` is what messages call it."""

    def __init__(
        self, label: str, subject: str, limit: int, *, required: bool = False, lines: bool = False, **options: Any
    ) -> None:  # fmt: skip
        checks = [DataRequired(f"{subject} is missing.")] if required else []
        super().__init__(label, checks, [partial(clean, lines=lines)], **options)
        self.subject, self.limit = subject, limit
        self.flags.maxlength = limit

    def post_validate(self, form: Any, validation_stopped: bool) -> None:
        if (length := len(self.data)) > self.limit:
            problem = f"{self.subject} is too long: {length} characters, {self.limit} fit."
            raise ValidationError(problem)


def choice(label: str, choices: Sequence[str]) -> StringField:
    """A field with one of ``choices``."""
    check = AnyOf(choices, message=f"{label}: please choose one of the list.")
    return StringField(label, [check])


def parse_number(value: str, low: int, high: int) -> int | None:
    """A whole number in ASCII digits, None when it is anything else or out of range."""
    value = value.strip()
    is_number = value.isascii() and value.isdigit() and len(value) < 10  # noqa: PLR2004 - no huge integers
    return number if is_number and low <= (number := int(value)) <= high else None


class WholeNumber(IntegerField):  # type: ignore[misc] # untyped
    """A whole number from ``low`` to ``high``; the default where nothing is sent."""

    def __init__(self, label: str, low: int, high: int, default: int = 1, **options: Any) -> None:
        super().__init__(label, default=default, widget=NumberInput(min=low, max=high), **options)
        self.low, self.high = low, high

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist or not valuelist[0].strip():
            self.data, self.raw_data = self.default, None
        elif (number := parse_number(valuelist[0], self.low, self.high)) is not None:
            self.data = number
        else:
            limits = f"from {self.low} to {self.high}"
            raise ValueError(f"{self.label.text} must be a whole number {limits}.")


class Form(FlaskForm):  # type: ignore[misc] # untyped
    """A form with the key that every POST carries; as it is, the form of a button."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        csrf_class = VisitorCSRF

    status = 0

    def refuse(self, status: int, problem: str) -> Self:
        """The form with a problem that only the database knows, and the HTTP status for it."""
        self.status = status
        self.form_errors.append(problem)
        return self

    @property
    def refusal(self) -> int:
        """The HTTP status for a form with problems."""
        return self.status or (400 if self.csrf_token.errors else 422)

    @property
    def problems(self) -> str:
        """All messages in one line."""
        return " ".join(str(message) for messages in self.errors.values() for message in messages)


class GatheringForm(Form):
    """What an organiser says about a gathering."""

    title = Text("What are you celebrating?", "The title", 120, required=True)
    timezone = StringField("Time zone", filters=[clean])
    time = StringField("Time", filters=[clean])
    date = StringField("Date", filters=[clean])
    place = Text("Place", "The place", 200, required=True)
    note = Text("A note to your guests", "The note", 2000, lines=True)
    starts_at = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)

    def validate_timezone(self, field: Field) -> None:
        if field.data not in zones():
            raise ValidationError("Time zone: please use a name such as America/New_York.")

    def validate_date(self, field: Field) -> None:
        """Sets ``starts_at``."""
        zone = self.timezone.data if self.timezone.data in zones() else "UTC"
        self.starts_at = moment(field.data, self.time.data, zone)

    @property
    def details(self) -> dict[str, Any]:
        """The values by column."""
        columns = ("title", "timezone", "place", "note")
        return {"starts_at": self.starts_at, **{name: self[name].data for name in columns}}


class NewForm(GatheringForm):
    """A new gathering with its wish-list, three fields that repeat row by row."""

    dish_name = StringField()
    dish_category = StringField()
    dish_wanted = StringField()
    wishes: Sequence[tuple[str, str, int]] = ()

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Category, name and number of each row as they were typed."""
        fields = (self.dish_category, self.dish_name, self.dish_wanted)
        names = self.dish_name.raw_data or []
        columns = ([*(field.raw_data or []), *[""] * len(names)][: len(names)] for field in fields)
        return list(zip(*columns, strict=True))

    def validate_dish_name(self, _field: Field) -> None:
        """Sets ``wishes``, without rows that have no name."""
        wishes = []
        for row, (category, typed, wanted) in enumerate(self.rows, 1):
            name, number = clean(typed), parse_number(wanted or "1", 1, MAX_WANTED)
            if not name:
                continue
            if len(name) > NAME_LENGTH or (category or "other") not in CATEGORIES or not number:
                raise ValidationError(
                    f"Dish {row}: a name of at most {NAME_LENGTH} characters, a category of the list"
                    f" and a number from 1 to {MAX_WANTED}, please."
                )
            wishes.append((category or "other", name, number))
        if len(wishes) > MAX_WISHES:
            raise ValidationError(f"At most {MAX_WISHES} dishes at once; more can be added later.")
        self.wishes = wishes


class EditForm(GatheringForm):
    """Changes to a gathering, made from the ``edit_version`` that the organiser saw."""

    edit_version = WholeNumber("The form", 1, 999_999_999, default=0)

    def changes(self, event: Gathering) -> dict[str, Any]:
        """The columns that differ from what is stored."""
        details, start = self.details, event.local_start
        wall_time = (f"{start:%Y-%m-%d}", f"{start:%H:%M}", event.timezone)
        if wall_time == (self.date.data, self.time.data, self.timezone.data):
            details["starts_at"] = event.starts_at  # perhaps the second of an hour that comes twice
        return {name: value for name, value in details.items() if getattr(event, name) != value}


class DishForm(Form):
    """A wish of the organiser; ``edit_version`` is that of the dish which they saw, empty where a client has none."""

    name = Text("Dish", "The dish", NAME_LENGTH, required=True)
    category = choice("The category", list(CATEGORIES))
    wanted = WholeNumber("How many", 1, MAX_WANTED)
    edit_version = StringField(filters=[clean])

    @property
    def wish(self) -> dict[str, Any]:
        """The dish as typed, by column."""
        return {column: self[column].data for column in ("category", "name", "wanted")}


class OwnDishForm(DishForm):
    """Something that a guest brings unasked."""

    name = Text("What is it?", "The dish", NAME_LENGTH, required=True)
    wanted = WholeNumber("The number of portions", 1, MAX_WANTED, name="portions")


class RsvpForm(Form):
    """A guest's answer."""

    name = Text("Your name", "Your name", NAME_LENGTH, required=True)
    attending = choice("Are you coming", ["yes", "no"])
    party_size = WholeNumber("The number of people", 1, MAX_PARTY)
    vegetarian = BooleanField("Vegetarian")
    vegan = BooleanField("Vegan")
    gluten_free = BooleanField("Gluten-free")
    nuts = BooleanField("No nuts")
    dietary_note = Text("What else should we know?", "What else to know", 300)

    @classmethod
    def of(cls, guest: Guest | None) -> Self:
        """The form with a guest's present answer, or an empty one."""
        form: Self = cls(None, obj=guest)
        form.attending.data = "no" if guest and not guest.attending else "yes"
        return form

    def populate(self, guest: Guest) -> None:
        """Records the answer."""
        for column in ("name", "party_size", "dietary_note", *DIETS):
            setattr(guest, column, self[column].data)
        guest.attending = self.attending.data == "yes"


class ClaimForm(Form):
    portions = WholeNumber("The number of portions", 1, MAX_WANTED)


class ThanksForm(Form):
    text = Text("", "What you are grateful for", 500, required=True, lines=True)


class RsvpsForm(Form):
    rsvps = choice("RSVPs", ["open", "close"])


class GuestLinkForm(Form):
    link = choice("The guest link", ["new", "off"])


class DeleteForm(Form):
    confirm = BooleanField(
        "", [DataRequired("Please tick the box if you really want to delete everything.")]
    )
