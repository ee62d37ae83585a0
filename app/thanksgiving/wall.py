"""The gratitude wall: who has answered may post; authors and the organiser may take down."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from thanksgiving import gatherings, guests
from thanksgiving.gatherings import NotFoundError
from thanksgiving.models import Gratitude, Guest

MAX_POSTS = 500


class UnknownGuestError(Exception):
    """The visitor has not answered yet, so nobody would know who is thankful."""


def post(connection: Connection, guest_token: str, visitor: str, text: str) -> None:
    """Puts a text on the wall.

    Raises:
        NotFoundError, ClosedError: As ``guests.touch``.
        UnknownGuestError: The visitor has not answered.
        ListFullError: The wall is full.
    """
    gathering_id = guests.touch(connection, guest_token)
    guest_id = _guest(connection, gathering_id, visitor)
    posts = (
        select(func.count()).select_from(Gratitude).where(Gratitude.gathering_id == gathering_id)
    )
    if connection.execute(posts).scalar_one() >= MAX_POSTS:
        raise guests.ListFullError
    connection.execute(
        insert(Gratitude),
        {
            "gathering_id": gathering_id,
            "guest_id": guest_id,
            "text": text,
            "created_at": datetime.now(UTC),
        },
    )


def withdraw(connection: Connection, guest_token: str, visitor: str, post_id: int) -> None:
    """Takes down the visitor's own post. Raises as ``post``, and NotFoundError for others' posts."""
    gathering_id = guests.touch(connection, guest_token)
    guest_id = _guest(connection, gathering_id, visitor)
    _delete(connection, gathering_id, post_id, Gratitude.guest_id == guest_id)


def remove(connection: Connection, organiser_token: str, post_id: int) -> None:
    """Takes down any post of the organiser's gathering; NotFoundError when it is not there."""
    gathering_id = gatherings.touch(connection, organiser_token)
    _delete(connection, gathering_id, post_id)


def _guest(connection: Connection, gathering_id: int, visitor: str) -> int:
    query = select(Guest.id).where(Guest.gathering_id == gathering_id, Guest.visitor == visitor)
    guest_id = connection.execute(query).scalar()
    if guest_id is None:
        raise UnknownGuestError
    return guest_id


def _delete(
    connection: Connection, gathering_id: int, post_id: int, *conditions: ColumnElement[bool]
) -> None:
    gone = connection.execute(
        delete(Gratitude).where(
            Gratitude.id == post_id, Gratitude.gathering_id == gathering_id, *conditions
        )
    )
    if gone.rowcount == 0:
        raise NotFoundError
