"""What a guest says: whether they come, with how many, and what they cannot eat."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from thanksgiving import links
from thanksgiving.db import run
from thanksgiving.gatherings import NotFoundError, give_back
from thanksgiving.models import Gathering, Guest

MAX_GUESTS = 500


_TOUCH = (
    update(Gathering)
    .where(Gathering.guest_digest == bindparam("digest"))
    .values(revision=Gathering.revision + 1)
    .returning(Gathering.id, Gathering.rsvps_open)
)


class ClosedError(Exception):
    """The organiser has closed RSVPs: guests can look, but change nothing."""


class ListFullError(Exception):
    """The list is full."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A guest's answer."""

    name: str
    attending: bool
    party_size: int
    vegetarian: bool
    vegan: bool
    gluten_free: bool
    nuts: bool
    dietary_note: str


def touch(connection: Connection, guest_token: str) -> int:
    """Locks the gathering of a guest link for this transaction and returns its id.

    Raises:
        NotFoundError: No gathering has this guest link; revoked is the same as never existed.
        ClosedError: RSVPs are closed.
    """
    row = run(connection, _TOUCH, {"digest": links.digest(guest_token)}).fetchone()
    if row is None:
        raise NotFoundError
    gathering_id, rsvps_open = row
    if not rsvps_open:
        raise ClosedError
    return int(gathering_id)


def answer(connection: Connection, guest_token: str, visitor: str, given: Answer) -> int:
    """Records or changes the visitor's answer; who does not come gives back their dishes. Returns how many.

    Raises:
        NotFoundError, ClosedError: As ``touch``.
        ListFullError: Too many guests.
    """
    gathering_id = touch(connection, guest_token)
    guest_id = connection.execute(
        select(Guest.id).where(Guest.gathering_id == gathering_id, Guest.visitor == visitor)
    ).scalar()
    if guest_id is not None:
        connection.execute(update(Guest).where(Guest.id == guest_id).values(**asdict(given)))
        return 0 if given.attending else give_back(connection, guest_id)
    guests = select(func.count()).select_from(Guest).where(Guest.gathering_id == gathering_id)
    if connection.execute(guests).scalar_one() >= MAX_GUESTS:
        raise ListFullError
    connection.execute(
        insert(Guest),
        {
            "gathering_id": gathering_id,
            "visitor": visitor,
            "created_at": datetime.now(UTC),
            **asdict(given),
        },
    )
    return 0
