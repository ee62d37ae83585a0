"""What an organiser does: create, edit, close, share, tidy up. Functions on a connection inside ``Database.write``.

Every change to a gathering starts by updating its row. That bumps the revision (pages are cached by
it) and holds the row's lock until commit, so changes to one gathering happen one after the other on
either database.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from thanksgiving import links
from thanksgiving.models import Claim, Dish, Gathering, Guest
from thanksgiving.validation import Wish

MAX_DISHES = 200


class NotFoundError(Exception):
    """The link or the thing it names does not exist (any more)."""


class StaleError(Exception):
    """Somebody else edited the gathering after this form was opened."""


@dataclass(frozen=True, slots=True)
class Details:
    """What the organiser says about a gathering; ``starts_at`` is in UTC."""

    title: str
    starts_at: datetime
    timezone: str
    place: str
    note: str


def create(connection: Connection, details: Details, wishes: list[Wish]) -> str:
    """Creates a gathering with its wish-list and returns the organiser's token, which is stored nowhere."""
    organiser, guest = links.new_token(), links.new_token()
    gathering_id = connection.execute(
        insert(Gathering).returning(Gathering.id),
        {
            "organiser_digest": links.digest(organiser),
            "guest_digest": links.digest(guest),
            "guest_token": guest,
            "title": details.title,
            "starts_at": details.starts_at,
            "timezone": details.timezone,
            "place": details.place,
            "note": details.note,
            "rsvps_open": True,
            "revision": 1,
            "edit_version": 1,
            "created_at": datetime.now(UTC),
        },
    ).scalar_one()
    if wishes:
        connection.execute(
            insert(Dish),
            [_dish(gathering_id, wish) for wish in wishes],
        )
    return organiser


def _dish(gathering_id: int, wish: Wish) -> dict[str, object]:
    return {
        "gathering_id": gathering_id,
        "own_guest_id": None,
        "category": wish.category,
        "name": wish.name,
        "wanted": wish.amount,
        "taken": 0,
    }


def touch(connection: Connection, organiser_token: str) -> int:
    """Locks the organiser's gathering for this transaction and returns its id.

    Raises:
        NotFoundError: No gathering has this organiser link.
    """
    gathering_id = connection.execute(
        update(Gathering)
        .where(Gathering.organiser_digest == links.digest(organiser_token))
        .values(revision=Gathering.revision + 1)
        .returning(Gathering.id)
    ).scalar()
    if gathering_id is None:
        raise NotFoundError
    return gathering_id


def edit(connection: Connection, organiser_token: str, details: Details, edit_version: int) -> None:
    """Changes what the organiser says about the gathering.

    Raises:
        NotFoundError: No gathering has this link.
        StaleError: The form was opened at another ``edit_version`` than the present one.
    """
    gathering_id = touch(connection, organiser_token)
    changed = connection.execute(
        update(Gathering)
        .where(Gathering.id == gathering_id, Gathering.edit_version == edit_version)
        .values(
            title=details.title,
            starts_at=details.starts_at,
            timezone=details.timezone,
            place=details.place,
            note=details.note,
            edit_version=Gathering.edit_version + 1,
        )
    )
    if changed.rowcount == 0:
        raise StaleError


def open_rsvps(connection: Connection, organiser_token: str, *, is_open: bool) -> None:
    """Opens or closes the gathering for guests' changes."""
    gathering_id = touch(connection, organiser_token)
    connection.execute(
        update(Gathering).where(Gathering.id == gathering_id).values(rsvps_open=is_open)
    )


def replace_guest_link(connection: Connection, organiser_token: str, *, share: bool) -> None:
    """Revokes the guest link; with ``share`` a new one takes its place, without it there is none."""
    gathering_id = touch(connection, organiser_token)
    token = links.new_token() if share else None
    connection.execute(
        update(Gathering)
        .where(Gathering.id == gathering_id)
        .values(guest_token=token, guest_digest=links.digest(token) if token else None)
    )


def replace_organiser_link(connection: Connection, organiser_token: str) -> str:
    """Revokes the organiser's link and returns the token of the new one."""
    gathering_id = touch(connection, organiser_token)
    token = links.new_token()
    connection.execute(
        update(Gathering)
        .where(Gathering.id == gathering_id)
        .values(organiser_digest=links.digest(token))
    )
    return token


def remove(connection: Connection, organiser_token: str) -> None:
    """Deletes the gathering with everything that its guests entered."""
    gathering_id = touch(connection, organiser_token)
    connection.execute(delete(Gathering).where(Gathering.id == gathering_id))


def add_dish(connection: Connection, organiser_token: str, wish: Wish) -> bool:
    """Adds a wish; False when the list is full."""
    gathering_id = touch(connection, organiser_token)
    if count_dishes(connection, gathering_id) >= MAX_DISHES:
        return False
    connection.execute(insert(Dish), [_dish(gathering_id, wish)])
    return True


def count_dishes(connection: Connection, gathering_id: int) -> int:
    """How many dishes are on the list."""
    query = select(func.count()).select_from(Dish).where(Dish.gathering_id == gathering_id)
    return connection.execute(query).scalar_one()


def edit_dish(connection: Connection, organiser_token: str, dish_id: int, wish: Wish) -> bool:
    """Changes a wish; False when more portions than it asks for are already claimed.

    Raises:
        NotFoundError: No such wish in this gathering (a guest's own dish is not the organiser's to change).
    """
    gathering_id = touch(connection, organiser_token)
    this = (Dish.id == dish_id, Dish.gathering_id == gathering_id, Dish.own_guest_id.is_(None))
    changed = connection.execute(
        update(Dish)
        .where(*this, Dish.taken <= wish.amount)
        .values(category=wish.category, name=wish.name, wanted=wish.amount)
    )
    if changed.rowcount == 0:
        if connection.execute(select(Dish.id).where(*this)).first() is None:
            raise NotFoundError
        return False
    return True


def remove_dish(connection: Connection, organiser_token: str, dish_id: int) -> None:
    """Takes a dish off the list, with its claims.

    Raises:
        NotFoundError: No such dish in this gathering.
    """
    gathering_id = touch(connection, organiser_token)
    removed = connection.execute(
        delete(Dish).where(Dish.id == dish_id, Dish.gathering_id == gathering_id)
    )
    if removed.rowcount == 0:
        raise NotFoundError


def remove_guest(connection: Connection, organiser_token: str, guest_id: int) -> None:
    """Takes a guest off the list; what they had claimed is free again.

    Raises:
        NotFoundError: No such guest in this gathering.
    """
    gathering_id = touch(connection, organiser_token)
    found = connection.execute(
        select(Guest.id).where(Guest.id == guest_id, Guest.gathering_id == gathering_id)
    ).first()
    if found is None:
        raise NotFoundError
    give_back(connection, guest_id)
    connection.execute(delete(Guest).where(Guest.id == guest_id))


def give_back(connection: Connection, guest_id: int) -> int:
    """Frees what a guest claimed, removes their own dishes, and returns how many dishes it was."""
    own = connection.execute(delete(Dish).where(Dish.own_guest_id == guest_id)).rowcount
    held = (
        select(Claim.portions)
        .where(Claim.dish_id == Dish.id, Claim.guest_id == guest_id)
        .scalar_subquery()
    )
    claimed = select(Claim.dish_id).where(Claim.guest_id == guest_id)
    connection.execute(update(Dish).where(Dish.id.in_(claimed)).values(taken=Dish.taken - held))
    return own + connection.execute(delete(Claim).where(Claim.guest_id == guest_id)).rowcount
