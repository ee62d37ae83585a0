"""The tables. Statements are written with SQLAlchemy Core on these typed columns: one statement, one round trip."""

from datetime import UTC, datetime

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Largest value of an INTEGER column; a URL with a larger number names nothing.
MAX_ID = 2**31 - 1


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive times: they would be read back as another instant."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Gives the time back in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can find it again on either database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Gathering(Base):
    """One Thanksgiving. ``revision`` counts every change to it or to what hangs on it,
    ``edit_version`` the organiser's edits.

    Links are looked up by the SHA-256 of their token. The guest token itself is kept too, because
    the organiser sends it on; NULL means that the guest link is switched off.
    """

    __tablename__ = "gathering"

    id: Mapped[int] = mapped_column(primary_key=True)
    organiser_digest: Mapped[str] = mapped_column(String(64), unique=True)
    guest_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    guest_token: Mapped[str | None] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(120))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    timezone: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(200))
    note: Mapped[str] = mapped_column(Text)
    rsvps_open: Mapped[bool]
    revision: Mapped[int]
    edit_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Guest(Base):
    """One household's answer. ``visitor`` is the browser's signed identity."""

    __tablename__ = "guest"
    __table_args__ = (
        UniqueConstraint("gathering_id", "visitor"),
        CheckConstraint("party_size BETWEEN 1 AND 50", name="party_size"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    gathering_id: Mapped[int] = mapped_column(ForeignKey("gathering.id", ondelete="CASCADE"))
    visitor: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(80))
    attending: Mapped[bool]
    party_size: Mapped[int]
    vegetarian: Mapped[bool]
    vegan: Mapped[bool]
    gluten_free: Mapped[bool]
    nuts: Mapped[bool]
    dietary_note: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Dish(Base):
    """A wish of the organiser, or (with ``own_guest_id``) something that a guest brings unasked.

    ``taken`` is the sum of its claims, kept here so that the database itself refuses one portion too many.
    """

    __tablename__ = "dish"
    __table_args__ = (
        CheckConstraint("wanted BETWEEN 1 AND 99", name="wanted"),
        CheckConstraint("taken BETWEEN 0 AND wanted", name="taken"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    gathering_id: Mapped[int] = mapped_column(
        ForeignKey("gathering.id", ondelete="CASCADE"), index=True
    )
    own_guest_id: Mapped[int | None] = mapped_column(
        ForeignKey("guest.id", ondelete="CASCADE"), index=True
    )
    category: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(80))
    wanted: Mapped[int]
    taken: Mapped[int]


class Claim(Base):
    """How many portions of a dish a guest brings."""

    __tablename__ = "claim"
    __table_args__ = (CheckConstraint("portions BETWEEN 1 AND 99", name="portions"),)

    dish_id: Mapped[int] = mapped_column(
        ForeignKey("dish.id", ondelete="CASCADE"), primary_key=True
    )
    guest_id: Mapped[int] = mapped_column(
        ForeignKey("guest.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    portions: Mapped[int]


class Gratitude(Base):
    """What a guest is thankful for, on the wall that everybody sees."""

    __tablename__ = "gratitude"

    id: Mapped[int] = mapped_column(primary_key=True)
    gathering_id: Mapped[int] = mapped_column(
        ForeignKey("gathering.id", ondelete="CASCADE"), index=True
    )
    guest_id: Mapped[int] = mapped_column(ForeignKey("guest.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


#: A statement of SQLite changes one table, but a view's trigger belongs to the statement. So a claim is: set the
#: portions of a place, which is a guest who comes beside a dish. Made by each connection, as no part of the schema.
SQLITE_PLACES = """
    CREATE TEMP VIEW place AS
    SELECT guest_digest, visitor, gathering.id AS gathering_id, guest.id AS guest_id,
        dish.id AS dish_id, wanted - taken AS missing, coalesce(portions, 0) AS portions
    FROM gathering JOIN guest ON guest.gathering_id = gathering.id
    JOIN dish ON dish.gathering_id = gathering.id
    LEFT JOIN claim ON claim.dish_id = dish.id AND claim.guest_id = guest.id
    WHERE rsvps_open AND attending AND own_guest_id IS NULL;

    CREATE TEMP TRIGGER place_portions INSTEAD OF UPDATE OF portions ON place BEGIN
        UPDATE dish SET taken = taken + NEW.portions - OLD.portions WHERE id = OLD.dish_id;
        DELETE FROM claim WHERE dish_id = OLD.dish_id AND guest_id = OLD.guest_id;
        INSERT INTO claim (dish_id, guest_id, portions)
        SELECT OLD.dish_id, OLD.guest_id, NEW.portions WHERE NEW.portions > 0;
        UPDATE gathering SET revision = revision + 1 WHERE id = OLD.gathering_id;
    END;
"""
