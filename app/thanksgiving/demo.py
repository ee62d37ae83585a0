"""A believable gathering to look at: ``flask --app app seed-demo``."""

import secrets
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import click
from flask import Flask

from thanksgiving import claims, gatherings, guests, snapshot, wall
from thanksgiving.db import Database
from thanksgiving.guests import Answer
from thanksgiving.validation import Wish

ZONE = "America/New_York"
NOVEMBER, THURSDAY = 11, 3
WISHES = [
    Wish("mains", "Roast turkey", 1),
    Wish("mains", "Mushroom Wellington", 1),
    Wish("sides", "Sourdough stuffing", 2),
    Wish("sides", "Mashed potatoes", 2),
    Wish("sides", "Cranberry sauce", 1),
    Wish("sides", "Green bean casserole", 1),
    Wish("sides", "Gravy", 1),
    Wish("desserts", "Pumpkin pie", 2),
    Wish("desserts", "Apple crumble", 1),
    Wish("drinks", "Hot cider", 2),
    Wish("drinks", "Wine", 3),
    Wish("other", "Folding chairs", 6),
]
#: Who answers: the answer, what they bring (dish -> portions), what they are grateful for.
GUESTS: list[tuple[Answer, dict[str, int], str]] = [
    (
        Answer(
            "Rosa Delgado", True, 4, False, False, False, False, "Mateo is three and eats bread"
        ),
        {"Roast turkey": 1, "Folding chairs": 4},
        "For a kitchen big enough for all of you.",
    ),
    (
        Answer("Theo & Priya", True, 2, True, False, False, False, ""),
        {"Mushroom Wellington": 1, "Wine": 2},
        "That we found this town, and that it found us.",
    ),
    (
        Answer("Grandma June", True, 1, False, False, False, False, "Low salt, please"),
        {"Pumpkin pie": 1, "Gravy": 1},
        "Eighty-one Novembers, and I have liked most of them.",
    ),
    (
        Answer("Sam Okafor", True, 3, False, False, True, False, "Ada is coeliac: no crumbs"),
        {"Mashed potatoes": 2},
        "For the neighbours who shovelled our drive all winter.",
    ),
    (
        Answer("Lena Fischer", True, 1, False, True, False, True, "Severe walnut allergy"),
        {"Cranberry sauce": 1, "Hot cider": 1},
        "My first Thanksgiving. I am grateful for the invitation!",
    ),
    (Answer("Uncle Walt", False, 1, False, False, False, False, ""), {}, ""),
    (
        Answer("The Nguyens", True, 5, False, False, False, False, ""),
        {"Sourdough stuffing": 1, "Apple crumble": 1},
        "",
    ),
]
OWN = ("The Nguyens", Wish("sides", "Sticky rice with chestnuts", 1))


def seed(database: Database) -> tuple[str, str]:
    """Creates the demo and returns the organiser's and the guests' tokens."""
    start = datetime.combine(next_thanksgiving(datetime.now(UTC).date()), time(15), ZoneInfo(ZONE))
    details = gatherings.Details(
        title="Thanksgiving on Maple Street",
        starts_at=start.astimezone(UTC),
        timezone=ZONE,
        place="The Delgados, 27 Maple Street, Concord",
        note="Doors open at two, we eat at three. The dog is friendly and begs.\n"
        "Bring slippers and one story from this year.",
    )
    organiser = database.write(lambda connection: gatherings.create(connection, details, WISHES))
    event = snapshot.Snapshots(database).for_organiser(organiser)
    token = event.guest_token or ""
    dishes = {dish.name: dish.id for dish in event.dishes}
    for given, brings, thanks in GUESTS:
        visitor = secrets.token_urlsafe(16)
        _answer(database, token, visitor, given, {dishes[name]: n for name, n in brings.items()})
        if thanks:
            database.write(partial(wall.post, guest_token=token, visitor=visitor, text=thanks))
        if given.name == OWN[0]:
            database.write(
                partial(claims.bring_own, guest_token=token, visitor=visitor, wish=OWN[1])
            )
    return organiser, token


def _answer(
    database: Database, token: str, visitor: str, given: Answer, brings: dict[int, int]
) -> None:
    database.write(lambda connection: guests.answer(connection, token, visitor, given))
    for dish_id, portions in brings.items():
        claims.claim(database, token, visitor, dish_id, portions)


def next_thanksgiving(today: date) -> date:
    """The fourth Thursday of November, this year's or, once that is over, next year's."""
    for year in (today.year, today.year + 1):
        first = date(year, NOVEMBER, 1)
        fourth = first + timedelta(days=(THURSDAY - first.weekday()) % 7 + 21)
        if fourth >= today:
            break
    return fourth


def install(app: Flask) -> None:
    """Registers the command."""

    @app.cli.command("seed-demo")
    def seed_demo() -> None:
        """Fill in a believable gathering and print its two links."""
        organiser, guest = seed(app.extensions["database"])
        click.echo(f"organiser: /o/{organiser}\nguests:    /g/{guest}")
