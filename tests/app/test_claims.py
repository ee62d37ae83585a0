"""Who gets a dish: the rules, and that they hold when many ask at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from thanksgiving import claims, gatherings, guests, links
from thanksgiving.claims import Outcome, RefusedError
from thanksgiving.db import Database
from thanksgiving.models import Claim, Dish, Gathering, Guest
from thanksgiving.snapshot import Snapshots
from thanksgiving.validation import Wish

from tests.acceptance import journeys

ANSWER = guests.Answer("Ann", True, 1, False, False, False, False, "")
ANSWER_COLUMNS = asdict(ANSWER)
NOW = datetime.now(UTC)
Change = Callable[[Connection, str, int], object]
BROKEN = (
    "UPDATE dish SET taken = wanted + 1 WHERE id = :id",
    "UPDATE dish SET taken = -1 WHERE id = :id",
    "UPDATE dish SET wanted = 0 WHERE id = :id",
)


@pytest.fixture(params=["at once", "in a transaction"])
def database(
    app: Flask, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """Claims are tried as one statement first, or only as the transaction that must decide the same."""
    if request.param == "in a transaction":
        monkeypatch.setattr(Database, "write_at_once", lambda *_: False)
    found = app.extensions["database"]
    assert isinstance(found, Database)
    return found


at_once = pytest.mark.parametrize("database", ["at once"], indirect=True)


@pytest.fixture
def token(event: journeys.Gathering) -> str:
    return event.guest_path.removeprefix("/g/")


@pytest.fixture
def dish(database: Database, token: str) -> int:
    """Mashed potatoes, two portions."""
    found = {one.name: one.id for one in Snapshots(database).for_guest(token).dishes}
    return found["Mashed potatoes"]


def come(database: Database, token: str, *visitors: str) -> None:
    for visitor in visitors:
        database.write(partial(guests.answer, guest_token=token, visitor=visitor, given=ANSWER))


def ask(database: Database, token: str, visitor: str, dish: int, portions: int = 1) -> Outcome:
    try:
        return claims.claim(database, token, visitor, dish, portions)
    except RefusedError as refused:
        return refused.outcome


def give(database: Database, token: str, visitor: str, dish: int) -> Outcome:
    try:
        return claims.release(database, token, visitor, dish)
    except RefusedError as refused:
        return refused.outcome


def taken(database: Database, dish: int) -> int:
    """The portions of the dish, once by its counter and once by its claims: they must agree."""
    query = select(Dish.taken).where(Dish.id == dish)
    counter = database.read(lambda c: c.execute(query).scalar()) or 0  # None when it was removed
    held = database.read(
        lambda c: c.execute(select(Claim.portions).where(Claim.dish_id == dish)).scalars().all()
    )
    assert counter == sum(held)
    return sum(held)


def revision(database: Database) -> int:
    return database.read(lambda c: c.execute(select(Gathering.revision)).scalar_one())


def wait_for_a_waiter(database: Database) -> None:
    """Returns once a statement waits for a lock; SQLite does not tell, there it very likely does."""
    if database.engine.dialect.name == "sqlite":
        time.sleep(0.03)
        return
    waits = text(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 20
    while database.read(lambda c: c.execute(waits).first()) is None:
        assert time.monotonic() < deadline, "nothing waits for a lock"
        time.sleep(0.01)


def test_portions_are_counted(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann", "bob")
    assert ask(database, token, "ann", dish) is Outcome.CLAIMED
    assert taken(database, dish) == 1
    assert ask(database, token, "bob", dish) is Outcome.CLAIMED
    assert taken(database, dish) == 2


def test_no_more_than_wanted(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann", "bob")
    assert ask(database, token, "ann", dish, 3) is Outcome.TAKEN
    assert ask(database, token, "ann", dish, 2) is Outcome.CLAIMED
    assert ask(database, token, "bob", dish) is Outcome.TAKEN
    assert taken(database, dish) == 2


def test_pressing_twice_claims_once(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann")
    assert ask(database, token, "ann", dish) is Outcome.CLAIMED
    assert ask(database, token, "ann", dish) is Outcome.UNCHANGED
    assert taken(database, dish) == 1


def test_a_claim_can_grow_and_shrink(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann", "bob")
    ask(database, token, "ann", dish, 1)
    assert ask(database, token, "ann", dish, 2) is Outcome.CLAIMED
    assert taken(database, dish) == 2
    assert ask(database, token, "ann", dish, 1) is Outcome.CLAIMED
    assert taken(database, dish) == 1
    assert ask(database, token, "bob", dish, 1) is Outcome.CLAIMED
    assert ask(database, token, "ann", dish, 2) is Outcome.TAKEN
    assert taken(database, dish) == 2


def test_giving_back_frees_all_portions_once(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann", "bob")
    ask(database, token, "ann", dish, 2)
    assert give(database, token, "bob", dish) is Outcome.UNCHANGED
    assert give(database, token, "ann", dish) is Outcome.RELEASED
    assert give(database, token, "ann", dish) is Outcome.UNCHANGED
    assert taken(database, dish) == 0


def test_only_who_comes_claims(database: Database, token: str, dish: int) -> None:
    assert ask(database, token, "stranger", dish) is Outcome.NOT_COMING
    come(database, token, "ann")
    declined = guests.Answer("Ann", False, 1, False, False, False, False, "")
    database.write(lambda c: guests.answer(c, token, "ann", declined))
    assert ask(database, token, "ann", dish) is Outcome.NOT_COMING
    assert give(database, token, "ann", dish) is Outcome.NOT_COMING
    assert taken(database, dish) == 0


def test_declining_gives_everything_back(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann", "bob")
    ask(database, token, "ann", dish, 1)
    ask(database, token, "bob", dish, 1)
    own = Wish("sides", "Cornbread", 3)
    database.write(lambda c: claims.bring_own(c, token, "ann", own))
    declined = guests.Answer("Ann", False, 1, False, False, False, False, "")
    assert database.write(lambda c: guests.answer(c, token, "ann", declined)) == 2
    assert taken(database, dish) == 1
    names = [one.name for one in Snapshots(database).for_guest(token).dishes]
    assert "Cornbread" not in names


def test_an_own_dish_belongs_to_its_guest(database: Database, token: str) -> None:
    come(database, token, "ann", "bob")
    own = Wish("sides", "Cornbread", 3)
    assert database.write(lambda c: claims.bring_own(c, token, "ann", own)) is Outcome.ADDED
    dish = next(
        one.id for one in Snapshots(database).for_guest(token).dishes if one.name == "Cornbread"
    )
    assert taken(database, dish) == 3
    assert ask(database, token, "bob", dish) is Outcome.GONE
    assert ask(database, token, "ann", dish, 1) is Outcome.GONE
    assert give(database, token, "bob", dish) is Outcome.UNCHANGED
    assert give(database, token, "ann", dish) is Outcome.RELEASED
    assert dish not in {one.id for one in Snapshots(database).for_guest(token).dishes}
    assert ask(database, token, "bob", dish) is Outcome.GONE


def test_strangers_bring_nothing(database: Database, token: str) -> None:
    come(database, token, "ann")
    with pytest.raises(RefusedError) as refused:
        database.write(lambda c: claims.bring_own(c, token, "x", Wish("sides", "Cornbread", 1)))
    assert refused.value.outcome is Outcome.NOT_COMING


def test_the_list_does_not_grow_without_end(
    database: Database, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    come(database, token, "ann")
    monkeypatch.setattr(claims, "MAX_DISHES", 4)
    database.write(lambda c: claims.bring_own(c, token, "ann", Wish("sides", "Rice", 1)))
    with pytest.raises(RefusedError) as refused:
        database.write(lambda c: claims.bring_own(c, token, "ann", Wish("sides", "Beans", 1)))
    assert refused.value.outcome is Outcome.FULL


def test_a_dish_of_another_gathering_is_out_of_reach(
    database: Database, token: str, dish: int, new_browser: journeys.NewBrowser
) -> None:
    other = journeys.create_with(new_browser()).guest_path.removeprefix("/g/")
    come(database, token, "ann")
    come(database, other, "ann", "eve")
    ask(database, token, "ann", dish)
    assert ask(database, other, "eve", dish) is Outcome.GONE
    assert give(database, other, "ann", dish) is Outcome.GONE
    assert taken(database, dish) == 1


def test_closed_means_closed(
    database: Database, token: str, dish: int, event: journeys.Gathering
) -> None:
    come(database, token, "ann")
    ask(database, token, "ann", dish)
    organiser = event.organiser_path.removeprefix("/o/")
    database.write(lambda c: gatherings.open_rsvps(c, organiser, is_open=False))
    assert ask(database, token, "ann", dish, 2) is Outcome.CLOSED
    assert give(database, token, "ann", dish) is Outcome.CLOSED
    with pytest.raises(guests.ClosedError):
        database.write(lambda c: guests.answer(c, token, "ann", ANSWER))
    with pytest.raises(RefusedError) as refused:
        database.write(lambda c: claims.bring_own(c, token, "ann", Wish("sides", "Rice", 1)))
    assert refused.value.outcome is Outcome.CLOSED
    assert taken(database, dish) == 1


@pytest.mark.parametrize("wrong", ["", "x", "A" * 24, "A" * 5000])
def test_a_wrong_link_claims_nothing(database: Database, dish: int, wrong: str) -> None:
    with pytest.raises(gatherings.NotFoundError):
        claims.claim(database, wrong, "ann", dish, 1)


def test_an_organiser_link_is_no_guest_link(
    database: Database, dish: int, event: journeys.Gathering, token: str
) -> None:
    come(database, token, "ann")
    organiser = event.organiser_path.removeprefix("/o/")
    with pytest.raises(gatherings.NotFoundError):
        claims.claim(database, organiser, "ann", dish, 1)
    with pytest.raises(gatherings.NotFoundError):
        database.write(lambda c: gatherings.touch(c, token))


def test_only_what_changes_something_changes_the_revision(
    database: Database, token: str, dish: int
) -> None:
    come(database, token, "ann", "bob")
    before = revision(database)
    ask(database, token, "ann", dish, 2)
    assert revision(database) == before + 1
    assert ask(database, token, "bob", dish) is Outcome.TAKEN
    assert ask(database, token, "eve", dish) is Outcome.NOT_COMING
    assert ask(database, token, "ann", dish, 2) is Outcome.UNCHANGED
    assert give(database, token, "bob", dish) is Outcome.UNCHANGED
    assert revision(database) == before + 1
    give(database, token, "ann", dish)
    assert revision(database) == before + 2


@pytest.mark.parametrize("wrong", BROKEN)
def test_the_database_itself_refuses(database: Database, dish: int, wrong: str) -> None:
    with pytest.raises(IntegrityError):
        database.write(lambda c: c.execute(text(wrong), {"id": dish}))


def test_a_thousand_at_once_for_ten_portions(database: Database, token: str, dish: int) -> None:
    people = [f"guest-{number}" for number in range(1000)]

    def prepare(connection: Connection) -> None:
        connection.execute(text("UPDATE dish SET wanted = 10 WHERE id = :id"), {"id": dish})
        gathering = guests.touch(connection, token)
        row = {"gathering_id": gathering, "created_at": NOW, **ANSWER_COLUMNS}
        connection.execute(insert(Guest), [{**row, "visitor": person} for person in people])

    database.write(prepare)
    barrier = threading.Barrier(16)

    def crowd(number: int) -> list[Outcome]:
        barrier.wait()
        return [ask(database, token, person, dish) for person in people[number::16]]

    with ThreadPoolExecutor(16) as pool:
        outcomes = Counter(one for some in pool.map(crowd, range(16)) for one in some)
    assert outcomes == {Outcome.CLAIMED: 10, Outcome.TAKEN: 990}
    assert taken(database, dish) == 10


def test_claims_and_returns_at_once_keep_the_count(
    database: Database, token: str, dish: int
) -> None:
    people = [f"guest-{number}" for number in range(8)]
    come(database, token, *people)

    def wave(person: str) -> None:
        for portions in (1, 2, 1):
            ask(database, token, person, dish, portions)
            give(database, token, person, dish)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wave, people))
    assert taken(database, dish) == 0


def test_two_first_answers_at_once_are_one_guest(database: Database, token: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        work = partial(guests.answer, guest_token=token, visitor="ann", given=ANSWER)
        list(pool.map(lambda _: database.write(work), range(8)))
    assert len(Snapshots(database).for_guest(token).guests) == 1


def withdraw(c: Connection, token: str, dish: int) -> None:
    guests.answer(c, token, "ann", replace(ANSWER, attending=False))


def arrive(c: Connection, token: str, dish: int) -> None:
    guests.answer(c, token, "ann", ANSWER)


def close(c: Connection, token: str, dish: int) -> None:
    guests.touch(c, token)
    c.execute(update(Gathering).values(rsvps_open=False))


def revoke(c: Connection, token: str, dish: int) -> None:
    guests.touch(c, token)
    c.execute(update(Gathering).values(guest_digest=None))


def remove_dish(c: Connection, token: str, dish: int) -> None:
    guests.touch(c, token)
    c.execute(delete(Dish).where(Dish.id == dish))


def want_one(c: Connection, token: str, dish: int) -> None:
    guests.touch(c, token)
    c.execute(update(Dish).where(Dish.id == dish).values(wanted=1))


def bring(who: str, portions: int) -> Change:
    return lambda c, token, dish: claims._claim(c, token, who, dish, portions)


def give_up(who: str) -> Change:
    return lambda c, token, dish: claims._release(c, token, who, dish)


class Meanwhile(NamedTuple):
    """What happens ``first``, and what changes while Ann's attempt waits for the gathering's lock."""

    first: Change | None
    change: Change
    #: How many of two portions Ann asks for; 0 gives back.
    portions: int
    #: None when the link leads nowhere.
    outcome: Outcome | None
    taken: int


MEANWHILE = {
    "the guest withdraws": Meanwhile(None, withdraw, 1, Outcome.NOT_COMING, 0),
    "the guest comes after all": Meanwhile(withdraw, arrive, 1, Outcome.CLAIMED, 1),
    "RSVPs are closed": Meanwhile(None, close, 1, Outcome.CLOSED, 0),
    "the link is revoked": Meanwhile(None, revoke, 1, None, 0),
    "the dish is removed": Meanwhile(None, remove_dish, 1, Outcome.GONE, 0),
    "fewer are wanted": Meanwhile(None, want_one, 2, Outcome.TAKEN, 0),
    "another takes the last": Meanwhile(bring("bob", 1), bring("bob", 2), 1, Outcome.TAKEN, 2),
    "another leaves the last": Meanwhile(None, bring("bob", 1), 1, Outcome.CLAIMED, 2),
    "another gives back": Meanwhile(bring("bob", 2), give_up("bob"), 2, Outcome.CLAIMED, 2),
    "the guest claims the same": Meanwhile(None, bring("ann", 1), 1, Outcome.UNCHANGED, 1),
    "the guest claims fewer": Meanwhile(None, bring("ann", 1), 2, Outcome.CLAIMED, 2),
    "who gives back withdraws": Meanwhile(bring("ann", 1), withdraw, 0, Outcome.NOT_COMING, 0),
    "who gives back claims more": Meanwhile(
        bring("ann", 1), bring("ann", 2), 0, Outcome.RELEASED, 0
    ),
    "who gives back did so": Meanwhile(bring("ann", 1), give_up("ann"), 0, Outcome.UNCHANGED, 0),
    "another claims, one gives back": Meanwhile(
        bring("ann", 1), bring("bob", 1), 0, Outcome.RELEASED, 1
    ),
    "RSVPs are closed before giving back": Meanwhile(bring("ann", 1), close, 0, Outcome.CLOSED, 1),
    "the dish is removed before giving back": Meanwhile(
        bring("ann", 1), remove_dish, 0, Outcome.GONE, 0
    ),
}


@pytest.mark.parametrize("case", MEANWHILE.values(), ids=MEANWHILE)
def test_what_changes_while_an_attempt_waits_counts(
    database: Database, token: str, dish: int, case: Meanwhile
) -> None:
    come(database, token, "ann", "bob")
    if (first := case.first) is not None:
        database.write(lambda c: first(c, token, dish))
    start = revision(database)

    def attempt() -> Outcome | None:
        try:
            if case.portions:
                return ask(database, token, "ann", dish, case.portions)
            return give(database, token, "ann", dish)
        except gatherings.NotFoundError:
            return None

    with ThreadPoolExecutor(1) as pool:

        def change_while_ann_waits(connection: Connection) -> Future[Outcome | None]:
            case.change(connection, token, dish)
            asked = pool.submit(attempt)
            wait_for_a_waiter(database)
            return asked

        assert database.write(change_while_ann_waits).result() is case.outcome
    assert taken(database, dish) == case.taken
    assert revision(database) == start + (2 if case.outcome in claims.CHANGES else 1)


@at_once
def test_an_ordinary_claim_is_one_statement(
    database: Database, token: str, dish: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    come(database, token, "ann")
    monkeypatch.delattr(Database, "write")
    start = revision(database)
    assert ask(database, token, "ann", dish, 2) is Outcome.CLAIMED
    assert taken(database, dish) == 2
    assert give(database, token, "ann", dish) is Outcome.RELEASED
    assert taken(database, dish) == 0
    assert revision(database) == start + 2


def decline(c: Connection, token: str, dish: int) -> None:
    c.execute(update(Guest).values(attending=False))


def make_own(c: Connection, token: str, dish: int) -> None:
    c.execute(
        update(Dish)
        .where(Dish.id == dish)
        .values(own_guest_id=select(Guest.id).limit(1).scalar_subquery())
    )


def move(c: Connection, token: str, dish: int) -> None:
    """Gives the dish to another gathering."""
    row = c.execute(select(Gathering.__table__)).one()._asdict()
    other = {**row, "id": row["id"] + 1, "organiser_digest": "o", "guest_digest": "g"}
    made = c.execute(insert(Gathering).returning(Gathering.id), other).scalar_one()
    c.execute(update(Dish).where(Dish.id == dish).values(gathering_id=made))


REFUSED_AT_ONCE: dict[str, tuple[Change | None, int]] = {
    "RSVPs are closed": (close, 1),
    "the link is revoked": (revoke, 1),
    "the guest does not come": (decline, 1),
    "the dish is removed": (remove_dish, 1),
    "somebody's own dish": (make_own, 1),
    "a dish of another gathering": (move, 1),
    "taken": (bring("bob", 2), 1),
    "more than wanted": (None, 3),
    "the same again": (bring("ann", 1), 1),
}
KEPT_AT_ONCE: dict[str, Change | None] = {
    "RSVPs are closed": close,
    "the link is revoked": revoke,
    "the guest does not come": decline,
    "somebody's own dish": make_own,
    "a dish of another gathering": move,
}


def rows(database: Database) -> list[object]:
    """Everything that a claim can change."""
    tables = [one.__table__ for one in (Gathering, Dish, Claim)]
    return database.read(
        lambda c: [sorted(c.execute(select(one)).all(), key=str) for one in tables]
    )


@at_once
@pytest.mark.parametrize(("change", "portions"), REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE)
def test_one_statement_refuses_and_changes_nothing(
    database: Database, token: str, dish: int, change: Change | None, portions: int
) -> None:
    come(database, token, "ann", "bob")
    asked = {"digest": links.digest(token), "visitor": "ann", "dish": dish}
    if change is not None:
        database.write(lambda c: change(c, token, dish))
    before = rows(database)
    assert not database.write_at_once(claims._CLAIM_AT_ONCE, {**asked, "portions": portions})
    assert not database.write_at_once(
        claims._CLAIM_AT_ONCE, {**asked, "visitor": "eve", "portions": 1}
    )
    assert rows(database) == before


@at_once
@pytest.mark.parametrize("change", KEPT_AT_ONCE.values(), ids=KEPT_AT_ONCE)
def test_one_statement_gives_back_only_what_it_may(
    database: Database, token: str, dish: int, change: Change
) -> None:
    come(database, token, "ann", "bob")
    ask(database, token, "ann", dish)
    asked = {"digest": links.digest(token), "dish": dish}
    assert not database.write_at_once(claims._RELEASE_AT_ONCE, {**asked, "visitor": "bob"})
    database.write(lambda c: change(c, token, dish))
    before = rows(database)
    assert not database.write_at_once(claims._RELEASE_AT_ONCE, {**asked, "visitor": "ann"})
    assert rows(database) == before


@at_once
def test_one_statement_is_never_half_done(database: Database, token: str, dish: int) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("on PostgreSQL it is one statement by itself")
    come(database, token, "ann")
    refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF revision ON gathering BEGIN SELECT RAISE(ABORT, 'no'); END"
    database.write(lambda c: c.execute(text(refuse)))
    before = rows(database)
    asked = {"digest": links.digest(token), "visitor": "ann", "dish": dish, "portions": 1}
    assert not database.write_at_once(claims._CLAIM_AT_ONCE, asked)
    assert rows(database) == before
    database.write(lambda c: c.execute(text("DROP TRIGGER refuse")))
    assert database.write_at_once(claims._CLAIM_AT_ONCE, asked)
    assert taken(database, dish) == 1


def test_digests_do_not_reveal_tokens() -> None:
    token = links.new_token() + "a"
    assert links.digest(token) != links.digest(token[:-1] + "b")
    assert token not in links.digest(token)
    assert len({links.new_token() for _ in range(1000)}) == 1000
