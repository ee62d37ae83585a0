"""Who brings what. The last portion goes to one guest only, however many ask at once."""

from enum import StrEnum

from sqlalchemy import Connection, Integer, and_, bindparam, delete, insert, select, text, update

from thanksgiving import links
from thanksgiving.db import AtOnce, Database, run
from thanksgiving.gatherings import MAX_DISHES, count_dishes
from thanksgiving.guests import ClosedError, touch
from thanksgiving.models import Claim, Dish, Guest
from thanksgiving.validation import Wish


class Outcome(StrEnum):
    """How an attempt ended. Only the first three changed something."""

    CLAIMED = "claimed"
    RELEASED = "released"
    ADDED = "added"
    UNCHANGED = "unchanged"
    TAKEN = "taken"
    NOT_COMING = "not-coming"
    GONE = "gone"
    CLOSED = "closed"
    FULL = "full"


CHANGES = {Outcome.CLAIMED, Outcome.RELEASED, Outcome.ADDED}


class RefusedError(Exception):
    """Nothing was changed; raised inside the transaction so that it is rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


# Built once, as in snapshot.py.
_POSITION = (
    select(Guest.id, Guest.attending, Dish.own_guest_id, Claim.portions)
    .select_from(Dish)
    .outerjoin(
        Guest,
        and_(Guest.gathering_id == Dish.gathering_id, Guest.visitor == bindparam("visitor")),
    )
    .outerjoin(Claim, and_(Claim.dish_id == Dish.id, Claim.guest_id == Guest.id))
    .where(Dish.id == bindparam("dish"), Dish.gathering_id == bindparam("gathering"))
)
#: Condition and change are one statement, and a CHECK constraint stands behind it.
_TAKE = (
    update(Dish)
    .where(
        Dish.id == bindparam("dish"),
        Dish.taken + bindparam("portions", type_=Integer) <= Dish.wanted,
    )
    .values(taken=Dish.taken + bindparam("portions", type_=Integer))
)
_CLAIM = insert(Claim)
_UNCLAIM = delete(Claim).where(
    Claim.dish_id == bindparam("dish_id"), Claim.guest_id == bindparam("guest_id")
)


# The ordinary claim and release are one statement instead of a transaction of six, each of which costs
# more in the worker and on the way than in the database. It changes everything or nothing. What it
# does not do (a guest's own dish, on PostgreSQL a claim that grows), and why something is refused, is
# left to the transactions below.
#
# On PostgreSQL the parts of a statement all see the database as it was when the statement began, so
# before it waited for the gathering's lock. Therefore each row that counts is locked or changed:
# PostgreSQL looks at the newest version of such a row, and leaves it out when the conditions no longer
# hold. Another claim of the same guest is a new row; there the primary key refuses.
#
# On SQLite a statement that writes begins with the only write lock, so what it sees stays true. The
# driver lets other threads run meanwhile: in a transaction the lock would wait for the interpreter
# after each statement.
_WHO = """
    WITH locked AS (
        SELECT id FROM gathering WHERE guest_digest = :digest AND rsvps_open FOR NO KEY UPDATE
    ), who AS (
        SELECT guest.id, gathering_id FROM guest JOIN locked ON gathering_id = locked.id
        WHERE visitor = :visitor AND attending FOR SHARE OF guest
    ),"""
_PLACE = "WHERE guest_digest = :digest AND visitor = :visitor AND dish_id = :dish"
_CLAIM_AT_ONCE = AtOnce(
    postgresql=text(f"""{_WHO}
    change AS (
        UPDATE dish SET taken = taken + :portions FROM who
        WHERE dish.id = :dish AND dish.gathering_id = who.gathering_id
        AND own_guest_id IS NULL AND taken + :portions <= wanted
        RETURNING dish.gathering_id, dish.id AS dish_id, who.id AS guest_id
    ), claimed AS (
        INSERT INTO claim (dish_id, guest_id, portions)
        SELECT dish_id, guest_id, :portions FROM change
    )
    UPDATE gathering SET revision = revision + 1 FROM change WHERE id = change.gathering_id
    """),  # noqa: S608 - constants
    sqlite=text(f"""
        UPDATE place SET portions = :portions {_PLACE}
        AND portions <> :portions AND portions + missing >= :portions
    """),  # noqa: S608
)
_RELEASE_AT_ONCE = AtOnce(
    postgresql=text(f"""{_WHO}
    change AS (
        DELETE FROM claim USING who, dish
        WHERE dish_id = :dish AND guest_id = who.id AND dish.id = dish_id
        AND dish.gathering_id = who.gathering_id AND own_guest_id IS NULL
        RETURNING dish.gathering_id, dish_id, portions
    ), freed AS (
        UPDATE dish SET taken = taken - portions FROM change WHERE id = dish_id
    )
    UPDATE gathering SET revision = revision + 1 FROM change WHERE id = change.gathering_id
    """),  # noqa: S608
    sqlite=text(f"UPDATE place SET portions = 0 {_PLACE} AND portions > 0"),  # noqa: S608
)


def claim(
    database: Database, guest_token: str, visitor: str, dish_id: int, portions: int
) -> Outcome:
    """Makes the visitor bring exactly ``portions`` of a dish, so that pressing twice claims once.

    Raises:
        NotFoundError: No gathering has this guest link.
        RefusedError: The portions are taken, the visitor has not said that they come, the dish is
        gone or RSVPs are closed.
    """
    asked = {"visitor": visitor, "dish": dish_id, "portions": portions}
    if database.write_at_once(_CLAIM_AT_ONCE, {"digest": links.digest(guest_token), **asked}):
        return Outcome.CLAIMED
    return database.write(lambda c: _claim(c, guest_token, visitor, dish_id, portions))


def _claim(
    connection: Connection, guest_token: str, visitor: str, dish_id: int, portions: int
) -> Outcome:
    guest_id, held, own = _position(connection, guest_token, visitor, dish_id)
    if own:
        raise RefusedError(Outcome.GONE)
    if held == portions:
        raise RefusedError(Outcome.UNCHANGED)
    change = {"dish": dish_id, "portions": portions - held}
    if run(connection, _TAKE, change).rowcount == 0:
        raise RefusedError(Outcome.TAKEN)
    claimed = {"dish_id": dish_id, "guest_id": guest_id, "portions": portions}
    if held:
        run(connection, _UNCLAIM, {"dish_id": dish_id, "guest_id": guest_id})
    run(connection, _CLAIM, claimed)
    return Outcome.CLAIMED


def release(database: Database, guest_token: str, visitor: str, dish_id: int) -> Outcome:
    """Gives back what the visitor claimed of a dish; a dish of their own leaves the list. Raises as ``claim`` does."""
    asked = {"visitor": visitor, "dish": dish_id}
    if database.write_at_once(_RELEASE_AT_ONCE, {"digest": links.digest(guest_token), **asked}):
        return Outcome.RELEASED
    return database.write(lambda c: _release(c, guest_token, visitor, dish_id))


def _release(connection: Connection, guest_token: str, visitor: str, dish_id: int) -> Outcome:
    guest_id, held, own = _position(connection, guest_token, visitor, dish_id)
    if not held:
        raise RefusedError(Outcome.UNCHANGED)
    if own:
        connection.execute(delete(Dish).where(Dish.id == dish_id))
        return Outcome.RELEASED
    run(connection, _UNCLAIM, {"dish_id": dish_id, "guest_id": guest_id})
    run(connection, _TAKE, {"dish": dish_id, "portions": -held})
    return Outcome.RELEASED


def bring_own(connection: Connection, guest_token: str, visitor: str, wish: Wish) -> Outcome:
    """Adds something that nobody asked for and claims it. Raises as ``claim`` does."""
    gathering_id = _open_gathering(connection, guest_token)
    guest_id = connection.execute(
        select(Guest.id).where(
            Guest.gathering_id == gathering_id, Guest.visitor == visitor, Guest.attending
        )
    ).scalar()
    if guest_id is None:
        raise RefusedError(Outcome.NOT_COMING)
    if count_dishes(connection, gathering_id) >= MAX_DISHES:
        raise RefusedError(Outcome.FULL)
    dish_id = connection.execute(
        insert(Dish).returning(Dish.id),
        {
            "gathering_id": gathering_id,
            "own_guest_id": guest_id,
            "category": wish.category,
            "name": wish.name,
            "wanted": wish.amount,
            "taken": wish.amount,
        },
    ).scalar_one()
    run(connection, _CLAIM, {"dish_id": dish_id, "guest_id": guest_id, "portions": wish.amount})
    return Outcome.ADDED


def _open_gathering(connection: Connection, guest_token: str) -> int:
    try:
        return touch(connection, guest_token)
    except ClosedError:
        raise RefusedError(Outcome.CLOSED) from None


def _position(
    connection: Connection, guest_token: str, visitor: str, dish_id: int
) -> tuple[int, int, bool]:
    """The visitor's guest id, the portions they hold of the dish, and whether the dish is some guest's own."""
    gathering_id = _open_gathering(connection, guest_token)
    asked = {"dish": dish_id, "gathering": gathering_id, "visitor": visitor}
    row = run(connection, _POSITION, asked).fetchone()
    if row is None:
        raise RefusedError(Outcome.GONE)
    guest_id, attending, own_guest_id, portions = row
    if not attending:
        raise RefusedError(Outcome.NOT_COMING)
    return guest_id, portions or 0, own_guest_id is not None
