"""Queries that several views share, in the session of the request."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeVar

from flask import abort
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, selectinload

from thanksgiving.db import session
from thanksgiving.models import Claim, Dish, Gathering, Gratitude, Guest, digest, new_token, now

#: Most rows of a gathering.
LIMITS: dict[type[Dish | Guest | Gratitude], int] = {Dish: 200, Guest: 500, Gratitude: 500}
Link = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]
Part = TypeVar("Part", Dish, Guest, Gratitude)


def load(link: Link, token: str) -> Gathering:
    """The gathering of a link with all that hangs on it: five queries, however many guests there are.

    Whose claim or post it is needs no query, since the guests are in the session. Raises NotFound
    where no gathering has this link; a revoked link is the same as one that never was.
    """
    parts = (
        selectinload(Gathering.guests),
        selectinload(Gathering.dishes).selectinload(Dish.claims),
        selectinload(Gathering.posts),
    )
    gathering = session().scalar(select(Gathering).where(link == digest(token)).options(*parts))
    return gathering or abort(404)


def find(link: Link, token: str) -> Gathering | None:
    """The gathering of a link, locked until the transaction ends, so that its changes happen one after the other."""
    gathering = session().scalar(select(Gathering).where(link == digest(token)).with_for_update())
    if gathering:
        gathering.revision += 1
    return gathering


def lock(link: Link, token: str) -> Gathering:
    """As ``find``; raises NotFound as ``load`` does."""
    return find(link, token) or abort(404)


def part(gathering: Gathering, model: type[Part], *conditions: Any) -> Part | None:
    """A dish, guest or post of a gathering; None where it is gone or belongs to another."""
    return session().scalar(select(model).where(model.gathering_id == gathering.id, *conditions))


def add(gathering: Gathering, row: Dish | Guest | Gratitude) -> bool:
    """Adds a row, once however often its number comes; False where the gathering has as many as it may."""
    rows = select(func.count()).where(type(row).gathering_id == gathering.id)
    if session().scalar(rows.where(type(row).id == row.id)):
        return True
    if session().scalars(rows).one() >= LIMITS[type(row)]:
        return False
    row.gathering_id = gathering.id
    session().add(row)
    return True


def new_gathering(organiser_token: str, wishes: Iterable[Any], **details: Any) -> Gathering:
    """A gathering with its wish-list (columns of dishes), to be added to a session."""
    event = Gathering(organiser_digest=digest(organiser_token), **details)
    event.share(new_token())
    for order, wish in enumerate(wishes):
        event.dishes.append(Dish(created_at=now() + timedelta(microseconds=order), **wish))
    return event


def give_back(guest: Guest) -> bool:
    """Frees what a guest claimed and removes their own dishes; whether there was anything."""
    claims = session().scalars(select(Claim).where(Claim.guest_id == guest.id)).all()
    for claim in claims:
        freed = {"taken": Dish.taken - claim.portions}
        session().execute(update(Dish).where(Dish.id == claim.dish_id).values(freed))
    session().execute(delete(Claim).where(Claim.guest_id == guest.id))
    session().execute(delete(Dish).where(Dish.own_guest_id == guest.id))
    return bool(claims)
