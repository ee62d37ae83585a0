"""Gatherings, guests, dishes and who brings what."""

from functools import partial

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first four tables."""
    column, time = partial(sa.Column, nullable=False), sa.DateTime(timezone=True)
    part_of = partial(sa.ForeignKey, ondelete="CASCADE")
    op.create_table(
        "gathering",
        column("id", sa.Integer, primary_key=True),
        column("organiser_digest", sa.String(64), unique=True),
        sa.Column("guest_digest", sa.String(64), unique=True),
        sa.Column("guest_token", sa.String(64)),
        column("title", sa.String(120)),
        column("starts_at", time),
        column("timezone", sa.String(64)),
        column("place", sa.String(200)),
        column("note", sa.Text),
        column("rsvps_open", sa.Boolean),
        column("revision", sa.Integer),
        column("edit_version", sa.Integer),
        column("created_at", time),
    )
    op.create_table(
        "guest",
        column("id", sa.Integer, primary_key=True),
        column("gathering_id", sa.Integer, part_of("gathering.id")),
        column("visitor", sa.String(32)),
        column("name", sa.String(80)),
        column("attending", sa.Boolean),
        column("party_size", sa.Integer),
        column("vegetarian", sa.Boolean),
        column("vegan", sa.Boolean),
        column("gluten_free", sa.Boolean),
        column("nuts", sa.Boolean),
        column("dietary_note", sa.String(300)),
        column("created_at", time),
        sa.UniqueConstraint("gathering_id", "visitor"),
        sa.CheckConstraint("party_size BETWEEN 1 AND 50", name="ck_guest_party_size"),
    )
    op.create_table(
        "dish",
        column("id", sa.Integer, primary_key=True),
        column("gathering_id", sa.Integer, part_of("gathering.id"), index=True),
        sa.Column("own_guest_id", sa.Integer, part_of("guest.id"), index=True),
        column("category", sa.String(20)),
        column("name", sa.String(80)),
        column("wanted", sa.Integer),
        column("taken", sa.Integer),
        sa.CheckConstraint("wanted BETWEEN 1 AND 99", name="ck_dish_wanted"),
        sa.CheckConstraint("taken BETWEEN 0 AND wanted", name="ck_dish_taken"),
    )
    op.create_table(
        "claim",
        column("dish_id", sa.Integer, part_of("dish.id"), primary_key=True),
        column("guest_id", sa.Integer, part_of("guest.id"), primary_key=True, index=True),
        column("portions", sa.Integer),
        sa.CheckConstraint("portions BETWEEN 1 AND 99", name="ck_claim_portions"),
    )


def downgrade() -> None:
    """Removes everything."""
    for table in ("claim", "dish", "guest", "gathering"):
        op.drop_table(table)
