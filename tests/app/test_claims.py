"""Who gets a dish: the rules, and that they hold when many ask at once. No page is asked for, no template read."""

import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from flask import Flask
from jinja2 import DictLoader
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from thanksgiving import gatherings, security
from thanksgiving.models import Claim, Dish, Gathering, Guest, new_id, now

from tests.acceptance import journeys
from tests.app.conftest import browsers, laid, notice, transaction

Crowd = dict[str, "Person"]


@pytest.fixture(autouse=True)
def _no_template(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal has a page as well; here its status alone counts."""
    monkeypatch.setattr(app.jinja_env, "loader", DictLoader({"error.html": "{{ status }}"}))


def page_of(app: Flask, visitor: str) -> tuple[str, str]:
    """The cookie of a visitor and the key of the forms on a page that they have open."""
    sign = security.VisitorSession().get_signing_serializer(app)
    assert sign
    cookie = str(sign.dumps({"visitor": visitor}))
    with app.test_request_context(headers={"Cookie": f"{security.COOKIE}={cookie}"}):
        return cookie, security.form_key()


class Person:
    """A guest with a page open."""

    def __init__(self, app: Flask, path: str, *, attending: str = "yes") -> None:
        self.browser, self.path = browsers(app)(), path
        cookie, self.key = page_of(app, secrets.token_urlsafe(16))
        self.browser.client.cookies.set(security.COOKIE, cookie)
        if attending:
            self.send("rsvp", name="Ann", attending=attending)

    def send(self, what: str, **fields: object) -> str:
        """Sends a form; the key of the notice that answers it."""
        form = {"csrf_token": self.key, **fields}
        answer = self.browser.post(f"{self.path}/{what}", form)
        return notice(answer) if answer.status_code == 303 else str(answer.status_code)

    def claim(self, dish: int, portions: int = 1) -> str:
        return self.send(f"dishes/{dish}/claim", portions=str(portions))

    def release(self, dish: int) -> str:
        return self.send(f"dishes/{dish}/release")


@pytest.fixture
def event(app: Flask) -> journeys.Gathering:
    return laid(app)


def menu(app: Flask) -> dict[str, int]:
    """The numbers of the dishes by their names."""
    with transaction(app) as session:
        return {dish.name: dish.id for dish in session.scalars(select(Dish))}


@pytest.fixture
def dish(app: Flask, event: journeys.Gathering) -> int:
    """Mashed potatoes, two portions."""
    return menu(app)["Mashed potatoes"]


@pytest.fixture
def ann(app: Flask, event: journeys.Gathering) -> Person:
    return Person(app, event.guest_path)


@pytest.fixture
def bob(app: Flask, event: journeys.Gathering) -> Person:
    return Person(app, event.guest_path)


def taken(app: Flask, dish: int) -> int:
    """The portions of the dish, once by its counter and once by its claims: they must agree."""
    with transaction(app) as session:
        counter = session.scalar(select(Dish.taken).where(Dish.id == dish)) or 0
        held = session.scalars(select(Claim.portions).where(Claim.dish_id == dish)).all()
    assert counter == sum(held)
    return counter


def test_portions_are_counted(app: Flask, ann: Person, bob: Person, dish: int) -> None:
    assert ann.claim(dish) == "claimed"
    assert taken(app, dish) == 1
    assert bob.claim(dish) == "claimed"
    assert taken(app, dish) == 2


def test_no_more_than_wanted(app: Flask, ann: Person, bob: Person, dish: int) -> None:
    assert ann.claim(dish, 3) == "taken"
    assert ann.claim(dish, 2) == "claimed"
    assert bob.claim(dish) == "taken"
    assert taken(app, dish) == 2


def test_pressing_twice_claims_once(app: Flask, ann: Person, dish: int) -> None:
    assert [ann.claim(dish), ann.claim(dish)] == ["claimed", "unchanged"]
    assert taken(app, dish) == 1


def test_a_claim_can_grow_and_shrink(app: Flask, ann: Person, bob: Person, dish: int) -> None:
    assert [ann.claim(dish, 1), ann.claim(dish, 2)] == ["claimed", "claimed"]
    assert taken(app, dish) == 2
    assert ann.claim(dish, 1) == "claimed"
    assert taken(app, dish) == 1
    assert [bob.claim(dish, 1), ann.claim(dish, 2)] == ["claimed", "taken"]
    assert taken(app, dish) == 2


def test_giving_back_frees_all_portions_once(
    app: Flask, ann: Person, bob: Person, dish: int
) -> None:
    ann.claim(dish, 2)
    assert bob.release(dish) == "unchanged"
    assert [ann.release(dish), ann.release(dish)] == ["released", "unchanged"]
    assert taken(app, dish) == 0


def test_only_who_comes_claims(
    app: Flask, event: journeys.Gathering, ann: Person, dish: int
) -> None:
    assert Person(app, event.guest_path, attending="").claim(dish) == "say-you-come"
    ann.send("rsvp", name="Ann", attending="no")
    assert [ann.claim(dish), ann.release(dish)] == ["say-you-come", "say-you-come"]
    assert taken(app, dish) == 0


def test_declining_gives_everything_back(app: Flask, ann: Person, bob: Person, dish: int) -> None:
    ann.claim(dish)
    bob.claim(dish)
    assert ann.send("dishes", category="sides", name="Cornbread", portions="3") == "added"
    assert ann.send("rsvp", name="Ann", attending="no") == "given-back"
    assert taken(app, dish) == 1
    assert "Cornbread" not in menu(app)


def test_declining_gives_back_every_portion_of_a_claim(app: Flask, ann: Person, dish: int) -> None:
    ann.claim(dish, 2)
    assert ann.send("rsvp", name="Ann", attending="no") == "given-back"
    assert taken(app, dish) == 0


def test_an_own_dish_belongs_to_its_guest(app: Flask, ann: Person, bob: Person) -> None:
    ann.send("dishes", category="sides", name="Cornbread", portions="3")
    own = menu(app)["Cornbread"]
    assert taken(app, own) == 3
    assert [bob.claim(own), ann.claim(own, 1)] == ["gone", "gone"]
    assert [bob.release(own), ann.release(own)] == ["unchanged", "released"]
    assert "Cornbread" not in menu(app)
    assert bob.claim(own) == "gone"


def test_the_list_does_not_grow_without_end(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gatherings.LIMITS, Dish, 4)
    assert ann.send("dishes", category="sides", name="Rice", portions="1") == "added"
    assert ann.send("dishes", category="sides", name="Beans", portions="1") == "full"


def test_a_dish_of_another_gathering_is_out_of_reach(app: Flask, ann: Person, dish: int) -> None:
    other = laid(app)
    ann.claim(dish)
    eve = Person(app, other.guest_path)
    assert [eve.claim(dish), eve.release(dish)] == ["gone", "gone"]
    assert taken(app, dish) == 1


def test_closed_means_closed(app: Flask, event: journeys.Gathering, ann: Person, dish: int) -> None:
    ann.claim(dish)
    form = {"csrf_token": ann.key, "rsvps": "close"}
    assert notice(ann.browser.post(f"{event.organiser_path}/rsvps", form))
    assert [ann.claim(dish, 2), ann.release(dish)] == ["closed", "closed"]
    assert ann.send("rsvp", name="Ann", attending="no") == "403"
    assert ann.send("dishes", category="sides", name="Rice", portions="1") == "closed"
    assert taken(app, dish) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE dish SET taken = wanted + 1 WHERE id = :id",
        "UPDATE dish SET taken = -1 WHERE id = :id",
        "UPDATE dish SET wanted = 0 WHERE id = :id",
    ],
)
def test_the_database_itself_refuses(app: Flask, dish: int, wrong: str) -> None:
    with pytest.raises(IntegrityError), transaction(app) as session:
        session.execute(text(wrong), {"id": dish})


def test_a_thousand_at_once_for_ten_portions(
    app: Flask, event: journeys.Gathering, dish: int
) -> None:
    visitors = [f"visitor-{number:014}" for number in range(1000)]
    with transaction(app) as session:
        session.execute(update(Dish).where(Dish.id == dish).values(wanted=10))
        gathering = session.scalar(select(Gathering.id))
        common = {"gathering_id": gathering, "name": "Guest", "created_at": now()}
        rows = [{**common, "id": new_id(), "visitor": visitor} for visitor in visitors]
        session.execute(insert(Guest), rows)
    forms = [page_of(app, visitor) for visitor in visitors]
    barrier = threading.Barrier(16)

    def crowd(number: int) -> list[str]:
        client = app.test_client(use_cookies=False)
        barrier.wait()
        path = f"{event.guest_path}/dishes/{dish}/claim"
        return [
            notice(client.post(path, data={"csrf_token": key}, headers={"Cookie": f"visitor={cookie}"}))
            for cookie, key in forms[number::16]
        ]  # fmt: skip

    with ThreadPoolExecutor(16) as pool:
        outcomes = Counter(one for some in pool.map(crowd, range(16)) for one in some)
    assert outcomes == {"claimed": 10, "taken": 990}
    assert taken(app, dish) == 10


def test_claims_and_returns_at_once_keep_the_count(
    app: Flask, event: journeys.Gathering, dish: int
) -> None:
    people = [Person(app, event.guest_path) for _ in range(8)]

    def wave(person: Person) -> None:
        for portions in (1, 2, 1):
            person.claim(dish, portions)
            person.release(dish)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wave, people))
    assert taken(app, dish) == 0


def test_two_first_answers_at_once_are_one_guest(app: Flask, event: journeys.Gathering) -> None:
    person = Person(app, event.guest_path, attending="")
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: person.send("rsvp", name="Ann", attending="yes"), range(8))
        assert set(answers) == {"coming"}
    with transaction(app) as session:
        assert len(session.scalars(select(Guest)).all()) == 1


Change = Callable[[Session, int], object]


def withdraw(session: Session, dish: int) -> None:
    claims = session.scalars(select(Claim)).all()
    for claim in claims:
        freed = update(Dish).where(Dish.id == claim.dish_id)
        session.execute(freed.values(taken=Dish.taken - claim.portions))
    session.execute(delete(Claim))
    session.execute(update(Guest).values(attending=False))


def close(session: Session, dish: int) -> None:
    session.execute(update(Gathering).values(rsvps_open=False))


def revoke(session: Session, dish: int) -> None:
    session.execute(update(Gathering).values(guest_digest=None))


def remove(session: Session, dish: int) -> None:
    session.execute(delete(Dish).where(Dish.id == dish))


def want_one(session: Session, dish: int) -> None:
    session.execute(update(Dish).where(Dish.id == dish).values(wanted=1))


def take_by(number: int, portions: int) -> Change:
    """The guest who answered first (0, Ann) or second (1, Bob) brings so many portions."""

    def change(session: Session, dish: int) -> None:
        guest = session.scalars(select(Guest).order_by(Guest.created_at)).all()[number]
        held = session.get(Claim, (dish, guest.id))
        difference = portions - (held.portions if held else 0)
        session.execute(update(Dish).where(Dish.id == dish).values(taken=Dish.taken + difference))
        if held and not portions:
            session.delete(held)
        else:
            session.merge(Claim(dish_id=dish, guest_id=guest.id, portions=portions))

    return change


class Meanwhile(NamedTuple):
    """What happens ``first``, and what changes while Ann's attempt waits for the gathering's lock."""

    first: Change | None
    change: Change
    #: How many of two portions Ann asks for; 0 gives back.
    portions: int
    outcome: str
    taken: int


MEANWHILE = {
    "the guest withdraws": Meanwhile(None, withdraw, 1, "say-you-come", 0),
    "RSVPs are closed": Meanwhile(None, close, 1, "closed", 0),
    "the link is revoked": Meanwhile(None, revoke, 1, "404", 0),
    "the dish is removed": Meanwhile(None, remove, 1, "gone", 0),
    "fewer are wanted": Meanwhile(None, want_one, 2, "taken", 0),
    "another takes the last": Meanwhile(take_by(1, 1), take_by(1, 2), 1, "taken", 2),
    "another leaves the last": Meanwhile(None, take_by(1, 1), 1, "claimed", 2),
    "another gives back": Meanwhile(take_by(1, 2), take_by(1, 0), 2, "claimed", 2),
    "the guest claims the same": Meanwhile(None, take_by(0, 1), 1, "unchanged", 1),
    "the guest claims fewer": Meanwhile(None, take_by(0, 1), 2, "claimed", 2),
    "who gives back withdraws": Meanwhile(take_by(0, 1), withdraw, 0, "say-you-come", 0),
    "who gives back claims more": Meanwhile(take_by(0, 1), take_by(0, 2), 0, "released", 0),
    "who gives back did so": Meanwhile(take_by(0, 1), take_by(0, 0), 0, "unchanged", 0),
    "another claims, one gives back": Meanwhile(take_by(0, 1), take_by(1, 1), 0, "released", 1),
    "RSVPs are closed before giving back": Meanwhile(take_by(0, 1), close, 0, "closed", 1),
    "the dish is removed before giving back": Meanwhile(take_by(0, 1), remove, 0, "gone", 0),
}


def wait_for_a_waiter(app: Flask) -> None:
    """Returns once a statement waits for a lock; SQLite does not tell, there it very likely does."""
    if app.extensions["engine"].dialect.name == "sqlite":
        time.sleep(0.03)
        return
    waits = text(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 20
    while True:
        with transaction(app) as session:
            if session.execute(waits).first():
                return
        assert time.monotonic() < deadline, "nothing waits for a lock"
        time.sleep(0.01)


@pytest.mark.parametrize("case", MEANWHILE.values(), ids=MEANWHILE)
def test_what_changes_while_an_attempt_waits_counts(
    app: Flask, ann: Person, bob: Person, dish: int, case: Meanwhile
) -> None:
    if case.first:
        with transaction(app) as session:
            case.first(session, dish)
    attempt = (lambda: ann.claim(dish, case.portions)) if case.portions else lambda: ann.release(dish)  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        with transaction(app) as session:
            session.execute(select(Gathering.id).with_for_update())
            case.change(session, dish)
            session.flush()
            outcome = pool.submit(attempt)
            wait_for_a_waiter(app)
        assert outcome.result() == case.outcome
    assert taken(app, dish) == case.taken


def test_every_change_raises_the_revision(
    app: Flask, ann: Person, dish: int, event: journeys.Gathering
) -> None:
    """The previous release, which may run beside this one, caches pages by it."""

    def revision() -> int:
        with transaction(app) as session:
            return session.scalars(select(Gathering.revision)).one()

    before = revision()
    ann.claim(dish)
    assert revision() > before
    before = revision()
    form = {"csrf_token": ann.key}
    assert notice(ann.browser.post(f"{event.organiser_path}/organiser-link", form))
    assert revision() > before


@pytest.mark.parametrize("wrong", ["x", "A" * 24, "A" * 5000])
def test_a_wrong_link_claims_nothing(app: Flask, ann: Person, dish: int, wrong: str) -> None:
    answer = ann.browser.post(f"/g/{wrong}/dishes/{dish}/claim", {"csrf_token": ann.key})
    assert answer.status_code == 404


def test_the_beginning_of_a_link_opens_nothing(
    event: journeys.Gathering, ann: Person, dish: int
) -> None:
    token = event.guest_path[3:]
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    answer = ann.browser.post(f"/g/{other}/dishes/{dish}/claim", {"csrf_token": ann.key})
    assert answer.status_code == 404


def test_an_organiser_link_is_no_guest_link(
    event: journeys.Gathering, ann: Person, dish: int
) -> None:
    organiser, guest = event.organiser_path[3:], event.guest_path[3:]
    key = {"csrf_token": ann.key}
    assert ann.browser.post(f"/g/{organiser}/dishes/{dish}/claim", key).status_code == 404
    assert ann.browser.post(f"/o/{guest}/dishes/{dish}/remove", key).status_code == 404
    assert re.fullmatch(r"[\w-]{24}", organiser)
