"""A believable gathering to look at (``demo.json``): ``flask --app app seed-demo``."""

import json
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from flask.cli import with_appcontext

from thanksgiving.db import session
from thanksgiving.gatherings import find, new_gathering
from thanksgiving.models import Claim, Gathering, Gratitude, Guest, new_id, new_token, now


@click.command("seed-demo")
@click.argument("token", default=new_token)
@with_appcontext
def seed_demo(token: str) -> None:
    """Fill in a believable gathering and print its two links; nothing where the organiser's TOKEN has one already."""
    if find(Gathering.organiser_digest, token):
        return
    content = json.loads(Path(__file__).with_suffix(".json").read_text())
    day = next_thanksgiving(now().date())
    starts_at = datetime.combine(day, time(15), ZoneInfo(content["gathering"]["timezone"]))
    event = new_gathering(token, content["wishes"], starts_at=starts_at, **content["gathering"])
    dishes = {dish.name: dish for dish in event.dishes}
    for answer in content["guests"]:
        brings, thanks = answer.pop("brings"), answer.pop("thanks")
        guest = Guest(id=new_id(), visitor=new_token(), **answer)
        event.guests.append(guest)
        for name, portions in brings.items():
            dishes[name].taken = (dishes[name].taken or 0) + portions
            dishes[name].claims.append(Claim(guest=guest, portions=portions))
        event.posts.extend(Gratitude(author=guest, text=text) for text in thanks)
    click.echo(f"organiser: /o/{token}\nguests:    /g/{event.guest_token}")
    session().add(event)
    session().commit()


def next_thanksgiving(today: date) -> date:
    """The fourth Thursday of November, this year's or, once that is over, next year's."""
    days = (date(year, 11, day) for year in (today.year, today.year + 1) for day in range(22, 29))
    return next(day for day in days if day >= today and day.weekday() == 3)  # noqa: PLR2004 - a Thursday
