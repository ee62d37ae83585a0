"""A gathering as the pages show it. Loaded with a fixed number of queries, kept in memory by (gathering, revision).

Any change bumps the revision in its own transaction, on whatever replica, so a page needs one query
to know that what it keeps is still true.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, bindparam, select

from thanksgiving import links
from thanksgiving.db import Database
from thanksgiving.gatherings import NotFoundError
from thanksgiving.models import Claim, Dish, Gathering, Gratitude, Guest
from thanksgiving.singleflight import SingleFlight
from thanksgiving.validation import CATEGORIES

K = TypeVar("K")
V = TypeVar("V")

SNAPSHOTS_KEPT = 256

# Statements are built once: a statement made anew for each request costs more than running it.
_BY_GUEST_LINK = select(Gathering.id, Gathering.revision).where(
    Gathering.guest_digest == bindparam("digest")
)
_BY_ORGANISER_LINK = select(Gathering.id, Gathering.revision).where(
    Gathering.organiser_digest == bindparam("digest")
)
_HEADER = select(
    Gathering.id,
    Gathering.revision,
    Gathering.edit_version,
    Gathering.title,
    Gathering.starts_at,
    Gathering.timezone,
    Gathering.place,
    Gathering.note,
    Gathering.rsvps_open,
    Gathering.guest_token,
).where(Gathering.id == bindparam("id"))
_GUESTS = (
    select(
        Guest.id,
        Guest.visitor,
        Guest.name,
        Guest.attending,
        Guest.party_size,
        Guest.vegetarian,
        Guest.vegan,
        Guest.gluten_free,
        Guest.nuts,
        Guest.dietary_note,
    )
    .where(Guest.gathering_id == bindparam("id"))
    .order_by(Guest.id)
)
_DISHES = (
    select(Dish.id, Dish.own_guest_id, Dish.category, Dish.name, Dish.wanted, Dish.taken)
    .where(Dish.gathering_id == bindparam("id"))
    .order_by(Dish.id)
)
_CLAIMS = (
    select(Claim.dish_id, Claim.guest_id, Claim.portions)
    .join(Dish, Dish.id == Claim.dish_id)
    .where(Dish.gathering_id == bindparam("id"))
    .order_by(Claim.dish_id, Claim.guest_id)
)

_POSTS = (
    select(Gratitude.id, Gratitude.guest_id, Gratitude.text)
    .where(Gratitude.gathering_id == bindparam("id"))
    .order_by(Gratitude.id.desc())
)


@dataclass(frozen=True, slots=True)
class GuestView:
    """A guest as shown to everybody at the gathering (dietary needs to the organiser only)."""

    id: int
    visitor: str
    name: str
    attending: bool
    party_size: int
    vegetarian: bool
    vegan: bool
    gluten_free: bool
    nuts: bool
    dietary_note: str


@dataclass(slots=True)
class DishView:
    """A dish with who brings it: pairs of guest and portions."""

    id: int
    own_guest_id: int | None
    category: str
    name: str
    wanted: int
    taken: int
    brought_by: list[tuple[GuestView, int]] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Portions that nobody brings yet."""
        return self.wanted - self.taken

    def portions_of(self, guest: GuestView | None) -> int:
        """How many portions a guest brings."""
        return sum(portions for one, portions in self.brought_by if one is guest)


@dataclass(frozen=True, slots=True)
class PostView:
    """A post on the gratitude wall."""

    id: int
    author: GuestView
    text: str


@dataclass(slots=True)
class Snapshot:
    """Everything about one gathering at one revision. Not to be changed: requests share it."""

    id: int
    revision: int
    edit_version: int
    title: str
    starts_at: datetime
    timezone: str
    place: str
    note: str
    rsvps_open: bool
    guest_token: str | None
    guests: list[GuestView]
    dishes: list[DishView]
    posts: list[PostView]
    by_visitor: dict[str, GuestView]

    @property
    def local_start(self) -> datetime:
        """The start in the gathering's own zone."""
        return self.starts_at.astimezone(ZoneInfo(self.timezone))

    @property
    def coming(self) -> list[GuestView]:
        """The guests who come."""
        return [guest for guest in self.guests if guest.attending]

    @property
    def head_count(self) -> int:
        """How many people come."""
        return sum(guest.party_size for guest in self.guests if guest.attending)

    @property
    def portions_wanted(self) -> int:
        """All portions on the list."""
        return sum(dish.wanted for dish in self.dishes)

    @property
    def portions_taken(self) -> int:
        """All portions that somebody brings."""
        return sum(dish.taken for dish in self.dishes)

    @property
    def menu(self) -> list[tuple[str, str, list[DishView]]]:
        """The dishes by category: key, title, dishes; categories without dishes are left out."""
        groups = (
            (key, title, [dish for dish in self.dishes if dish.category == key])
            for key, title in CATEGORIES.items()
        )
        return [group for group in groups if group[2]]

    @property
    def missing(self) -> list[DishView]:
        """The dishes that are not fully taken."""
        return [dish for dish in self.dishes if dish.missing]

    @property
    def diets(self) -> dict[str, int]:
        """How many answers of those who come mention each need."""
        names = {
            "vegetarian": "vegetarian",
            "vegan": "vegan",
            "gluten_free": "gluten-free",
            "nuts": "no nuts",
        }
        counts = {
            label: sum(1 for guest in self.coming if getattr(guest, key))
            for key, label in names.items()
        }
        return {label: count for label, count in counts.items() if count}


class LruCache(Generic[K, V]):
    """The most recently used values, for several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, or None."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Keeps a value and forgets the longest unused one when there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)


class Snapshots:
    """Loads snapshots by link, from memory where the revision is still the same."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked_up: SingleFlight[tuple[int, int] | None] = SingleFlight()
        self._kept: LruCache[tuple[int, int], Snapshot] = LruCache(SNAPSHOTS_KEPT)

    def for_guest(self, token: str) -> Snapshot:
        """The gathering of a guest link.

        Raises:
            NotFoundError: No gathering has this guest link.
        """
        return self._find(_BY_GUEST_LINK, token)

    def for_organiser(self, token: str) -> Snapshot:
        """The gathering of an organiser link.

        Raises:
            NotFoundError: No gathering has this organiser link.
        """
        return self._find(_BY_ORGANISER_LINK, token)

    def _find(self, link: Select[int, int], token: str) -> Snapshot:
        digest = links.digest(token)
        found = self._looked_up.get(
            (link, digest), lambda: self._database.first(link, digest=digest)
        )
        if found is None:
            raise NotFoundError
        snapshot = self._kept.get(found)
        if snapshot is None:
            snapshot = self._database.read(lambda connection: _load(connection, found[0]))
            self._kept.put((snapshot.id, snapshot.revision), snapshot)
        return snapshot


def _load(connection: Connection, gathering_id: int) -> Snapshot:
    """Loads a gathering. Its revision comes first: a change in between makes it older than its
    content, which then is loaded once more, never newer, which would hide the change.

    Raises:
        NotFoundError: It was deleted a moment ago.
    """
    this = {"id": gathering_id}
    header = connection.execute(_HEADER, this).first()
    if header is None:
        raise NotFoundError
    guests = {row.id: GuestView(**row._asdict()) for row in connection.execute(_GUESTS, this)}
    dishes = {row.id: DishView(**row._asdict()) for row in connection.execute(_DISHES, this)}
    for dish_id, guest_id, portions in connection.execute(_CLAIMS, this):
        if dish_id in dishes and guest_id in guests:
            dishes[dish_id].brought_by.append((guests[guest_id], portions))
    posts = [
        PostView(row.id, guests[row.guest_id], row.text)
        for row in connection.execute(_POSTS, this)
        if row.guest_id in guests
    ]
    return Snapshot(
        **header._asdict(),
        guests=list(guests.values()),
        dishes=list(dishes.values()),
        posts=posts,
        by_visitor={guest.visitor: guest for guest in guests.values()},
    )
