"""The tables. ``gatherings.load`` says what a page loads of them; a test counts its queries."""

import hashlib
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column, relationship

YES = {True: "yes", False: "no"}
CATEGORIES = ("mains", "sides", "desserts", "drinks", "other")
#: Columns of ``Guest``.
DIETS = {
    "vegetarian": "vegetarian",
    "vegan": "vegan",
    "gluten_free": "gluten-free",
    "nuts": "no nuts",
}
#: Smaller numbers were given in order, by the first releases; a larger one does not fit an INTEGER column.
MIN_ID, MAX_ID = 2**20, 2**31 - 1
TOKEN_LENGTH = 24

now = partial(datetime.now, UTC)


def new_id() -> int:
    """A random number for a new row. A database gives that of a deleted row again (SQLite at once, PostgreSQL after
    a restore), and a form opened before would change what belongs to somebody else."""
    return MIN_ID + secrets.randbelow(MAX_ID - MIN_ID)


def new_token() -> str:
    """A token of URL-safe characters that nobody can guess (144 bits)."""
    return secrets.token_urlsafe(TOKEN_LENGTH * 3 // 4)


def digest(token: str) -> str:
    """What the database keeps of a token, and looks up in the same time for a wrong and a right one: 64 hex digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite would forget the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and not value.tzinfo else value


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can find it again on either database."""

    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - read by SQLAlchemy
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


Id = Annotated[int, mapped_column(primary_key=True, default=new_id)]
Created = Annotated[datetime, mapped_column(default=now)]


def part_of(table: str, *, index: bool = True, primary_key: bool = False) -> MappedColumn[int]:
    """A reference to a row with which this one is deleted."""
    key = ForeignKey(f"{table}.id", ondelete="CASCADE")
    return mapped_column(key, index=index or None, primary_key=primary_key)


class Gathering(Base):
    """One Thanksgiving. Links are looked up by digest."""

    __tablename__ = "gathering"
    id: Mapped[Id]
    organiser_digest: Mapped[str] = mapped_column(String(64), unique=True)
    guest_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    #: Kept, because the organiser sends it on; NULL where the guest link is switched off.
    guest_token: Mapped[str | None] = mapped_column(String(64))
    #: Fingerprint of the form that made the present guest link.
    guest_link_form: Mapped[str | None] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(120))
    starts_at: Mapped[datetime]
    timezone: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(200))
    note: Mapped[str] = mapped_column(sa.Text)
    rsvps_open: Mapped[bool] = mapped_column(default=True)
    #: Counts every change: the previous release caches pages by it.
    revision: Mapped[int] = mapped_column(default=1)
    #: Counts the organiser's edits.
    edit_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Created]

    guests: Mapped[list["Guest"]] = relationship(order_by="(Guest.created_at, Guest.id)")
    dishes: Mapped[list["Dish"]] = relationship(order_by="(Dish.created_at.nulls_first(), Dish.id)")
    posts: Mapped[list["Gratitude"]] = relationship(
        order_by="(Gratitude.created_at.desc(), Gratitude.id)"
    )

    def share(self, guest_token: str | None) -> None:
        """Replaces the guest link, or switches it off."""
        self.guest_token, self.guest_digest = guest_token, guest_token and digest(guest_token)

    @property
    def local_start(self) -> datetime:
        """The start in the gathering's own zone; in UTC where this machine does not know that zone."""
        try:
            return self.starts_at.astimezone(ZoneInfo(self.timezone))
        except (OSError, ValueError, LookupError):
            return self.starts_at

    @property
    def uid(self) -> str:
        """Names the event in calendars; random, and the same after an edit or a restore."""
        return digest(f"{self.id} {self.created_at.isoformat()}")[:32] + "@harvest-table"


class Guest(Base):
    """One household's answer. ``visitor`` is the browser's signed identity."""

    __tablename__ = "guest"
    __table_args__ = (
        sa.UniqueConstraint("gathering_id", "visitor"),
        CheckConstraint("party_size BETWEEN 1 AND 50", name="party_size"),
    )

    id: Mapped[Id]
    gathering_id: Mapped[int] = part_of("gathering", index=False)
    visitor: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(80))
    attending: Mapped[bool] = mapped_column(default=True)
    party_size: Mapped[int] = mapped_column(default=1)
    vegetarian: Mapped[bool] = mapped_column(default=False)
    vegan: Mapped[bool] = mapped_column(default=False)
    gluten_free: Mapped[bool] = mapped_column(default=False)
    nuts: Mapped[bool] = mapped_column(default=False)
    dietary_note: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[Created]


class Dish(Base):
    """A wish of the organiser, or (with ``own_guest_id``) something that a guest brings unasked."""

    __tablename__ = "dish"
    __table_args__ = (
        CheckConstraint("wanted BETWEEN 1 AND 99", name="wanted"),
        CheckConstraint("taken BETWEEN 0 AND wanted", name="taken"),
    )

    id: Mapped[Id]
    gathering_id: Mapped[int] = part_of("gathering")
    own_guest_id: Mapped[int | None] = part_of("guest")
    category: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(80))
    wanted: Mapped[int]
    #: The sum of its claims, kept here so that the database itself refuses one portion too many.
    taken: Mapped[int] = mapped_column(default=0)
    #: NULL for what the release before this column added.
    created_at: Mapped[datetime | None] = mapped_column(default=now)

    claims: Mapped[list["Claim"]] = relationship(order_by="Claim.guest_id", passive_deletes="all")

    @property
    def edit_version(self) -> str:
        """Differs when anything does that an organiser can edit."""
        return digest(f"{self.category}\n{self.name}\n{self.wanted}")[:16]


class Claim(Base):
    """How many portions of a dish a guest brings."""

    __tablename__ = "claim"
    __table_args__ = (CheckConstraint("portions BETWEEN 1 AND 99", name="portions"),)

    dish_id: Mapped[int] = part_of("dish", index=False, primary_key=True)
    guest_id: Mapped[int] = part_of("guest", primary_key=True)
    portions: Mapped[int]

    guest: Mapped[Guest] = relationship()


class Gratitude(Base):
    """What a guest is thankful for, on the wall that everybody sees."""

    __tablename__ = "gratitude"
    id: Mapped[Id]
    gathering_id: Mapped[int] = part_of("gathering")
    guest_id: Mapped[int] = part_of("guest")
    text: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[Created]

    author: Mapped[Guest] = relationship()


class RemovedGathering(Base):
    """The organiser link of a deleted gathering: whoever deletes it twice learns that it is done."""

    __tablename__ = "removed_gathering"
    organiser_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    removed_at: Mapped[Created]
