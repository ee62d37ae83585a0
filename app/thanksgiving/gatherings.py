"""Queries that several views share. Those that change something run within one session of ``Database.write``."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload
from werkzeug.exceptions import NotFound

from thanksgiving.db import database
from thanksgiving.models import Claim, Dish, Gathering, Gratitude, Guest, digest, new_token, now

#: Most rows of a gathering.
LIMITS: dict[type[Dish | Guest | Gratitude], int] = {Dish: 200, Guest: 500, Gratitude: 500}
Link = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]
Part = TypeVar("Part", Dish, Guest, Gratitude)


def load(link: Link, token: str) -> Gathering:
    """The gathering of a link with all that hangs on it: five queries, however many guests there are.

    Raises:
        NotFound: No gathering has this link; a revoked link is the same as one that never was.
    """
    with database().read() as session:
        gathering = session.scalar(
            select(Gathering)
            .where(link == digest(token))
            .options(
                selectinload(Gathering.guests),
                selectinload(Gathering.dishes)
                .selectinload(Dish.claims)
                .joinedload(Claim.guest, innerjoin=True),
                selectinload(Gathering.posts).joinedload(Gratitude.author, innerjoin=True),
            )
        )
    if gathering is None:
        raise NotFound
    return gathering


def find(session: Session, link: Link, token: str) -> Gathering | None:
    """The gathering of a link, locked until the transaction ends, so that its changes happen one after the other."""
    gathering = session.scalar(select(Gathering).where(link == digest(token)).with_for_update())
    if gathering:
        gathering.revision += 1
    return gathering


def lock(session: Session, link: Link, token: str) -> Gathering:
    """As ``find``; raises NotFound as ``load`` does."""
    gathering = find(session, link, token)
    if gathering is None:
        raise NotFound
    return gathering


def part(
    session: Session, gathering: Gathering, model: type[Part], *conditions: Any
) -> Part | None:
    """A dish, guest or post of a gathering; None where it is gone or belongs to another."""
    return session.scalar(select(model).where(model.gathering_id == gathering.id, *conditions))


def new_gathering(
    organiser_token: str, wishes: Sequence[tuple[str, str, int]], **details: Any
) -> Gathering:
    """A gathering with its wish-list (category, name, portions), to be added to a session."""
    start, guest_token = now(), new_token()
    dishes = [
        Dish(
            category=category, name=name, wanted=wanted, created_at=start + timedelta(0, 0, number)
        )
        for number, (category, name, wanted) in enumerate(wishes)
    ]  # in this order
    return Gathering(
        organiser_digest=digest(organiser_token),
        guest_token=guest_token,
        guest_digest=digest(guest_token),
        dishes=dishes,
        **details,
    )


def is_full(session: Session, gathering: Gathering, model: type[Dish | Guest | Gratitude]) -> bool:
    """Whether a gathering has as many rows of a kind as it may."""
    query = select(func.count()).select_from(model).where(model.gathering_id == gathering.id)
    return session.scalars(query).one() >= LIMITS[model]


def give_back(session: Session, guest: Guest) -> bool:
    """Frees what a guest claimed and removes their own dishes; whether there was anything."""
    held = session.scalars(select(Claim).where(Claim.guest_id == guest.id)).all()
    for claim in held:
        freed = {"taken": Dish.taken - claim.portions}
        session.execute(update(Dish).where(Dish.id == claim.dish_id).values(freed))
    session.execute(delete(Claim).where(Claim.guest_id == guest.id))
    session.execute(delete(Dish).where(Dish.own_guest_id == guest.id))
    return bool(held)
