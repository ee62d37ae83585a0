"""Who gets a dish: the rules, and that they hold when many ask at once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError
from thanksgiving import claims, gatherings, guests, links
from thanksgiving.claims import Outcome, RefusedError
from thanksgiving.db import Database
from thanksgiving.models import Claim, Dish, Guest
from thanksgiving.snapshot import Snapshots
from thanksgiving.validation import Wish

from pipeline.engines import journeys

ANSWER = guests.Answer("Ann", True, 1, False, False, False, False, "")
ANSWER_COLUMNS = asdict(ANSWER)
NOW = datetime.now(UTC)
BROKEN = (
    "UPDATE dish SET taken = wanted + 1 WHERE id = :id",
    "UPDATE dish SET taken = -1 WHERE id = :id",
    "UPDATE dish SET wanted = 0 WHERE id = :id",
)


@pytest.fixture
def database(app: Flask) -> Database:
    found = app.extensions["database"]
    assert isinstance(found, Database)
    return found


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
        return database.write(lambda c: claims.claim(c, token, visitor, dish, portions))
    except RefusedError as refused:
        return refused.outcome


def give(database: Database, token: str, visitor: str, dish: int) -> Outcome:
    try:
        return database.write(lambda c: claims.release(c, token, visitor, dish))
    except RefusedError as refused:
        return refused.outcome


def taken(database: Database, dish: int) -> int:
    """The portions of the dish, once by its counter and once by its claims: they must agree."""
    counter = database.read(lambda c: c.execute(select(Dish.taken).where(Dish.id == dish)).scalar())
    held = database.read(
        lambda c: c.execute(select(Claim.portions).where(Claim.dish_id == dish)).scalars().all()
    )
    assert counter == sum(held)
    return sum(held)


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
        database.write(lambda c: claims.claim(c, wrong, "ann", dish, 1))


def test_an_organiser_link_is_no_guest_link(
    database: Database, dish: int, event: journeys.Gathering, token: str
) -> None:
    come(database, token, "ann")
    organiser = event.organiser_path.removeprefix("/o/")
    with pytest.raises(gatherings.NotFoundError):
        database.write(lambda c: claims.claim(c, organiser, "ann", dish, 1))
    with pytest.raises(gatherings.NotFoundError):
        database.write(lambda c: gatherings.touch(c, token))


def test_a_refused_claim_changes_no_revision(database: Database, token: str, dish: int) -> None:
    come(database, token, "ann", "bob")
    ask(database, token, "ann", dish, 2)
    before = Snapshots(database).for_guest(token).revision
    assert ask(database, token, "bob", dish) is Outcome.TAKEN
    assert Snapshots(database).for_guest(token).revision == before
    give(database, token, "ann", dish)
    assert Snapshots(database).for_guest(token).revision == before + 1


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


def test_digests_do_not_reveal_tokens() -> None:
    token = links.new_token()
    assert links.digest(token) != links.digest(token[:-1] + "x")
    assert token not in links.digest(token)
    assert len({links.new_token() for _ in range(1000)}) == 1000
