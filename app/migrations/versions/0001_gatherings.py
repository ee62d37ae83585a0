"""Gatherings, guests, dishes and who brings what."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first four tables."""
    time = sa.DateTime(timezone=True)
    op.create_table(
        "gathering",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("organiser_digest", sa.String(64), nullable=False),
        sa.Column("guest_digest", sa.String(64)),
        sa.Column("guest_token", sa.String(64)),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("starts_at", time, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("place", sa.String(200), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("rsvps_open", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("edit_version", sa.Integer, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.UniqueConstraint("organiser_digest", name="uq_gathering_organiser_digest"),
        sa.UniqueConstraint("guest_digest", name="uq_gathering_guest_digest"),
    )
    op.create_table(
        "guest",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("gathering_id", sa.Integer, nullable=False),
        sa.Column("visitor", sa.String(32), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("attending", sa.Boolean, nullable=False),
        sa.Column("party_size", sa.Integer, nullable=False),
        sa.Column("vegetarian", sa.Boolean, nullable=False),
        sa.Column("vegan", sa.Boolean, nullable=False),
        sa.Column("gluten_free", sa.Boolean, nullable=False),
        sa.Column("nuts", sa.Boolean, nullable=False),
        sa.Column("dietary_note", sa.String(300), nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.UniqueConstraint("gathering_id", "visitor", name="uq_guest_gathering_id_visitor"),
        sa.ForeignKeyConstraint(
            ["gathering_id"], ["gathering.id"], name="fk_guest_gathering_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("party_size BETWEEN 1 AND 50", name="ck_guest_party_size"),
    )
    op.create_table(
        "dish",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("gathering_id", sa.Integer, nullable=False),
        sa.Column("own_guest_id", sa.Integer),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("taken", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["gathering_id"], ["gathering.id"], name="fk_dish_gathering_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["own_guest_id"], ["guest.id"], name="fk_dish_own_guest_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("wanted BETWEEN 1 AND 99", name="ck_dish_wanted"),
        sa.CheckConstraint("taken BETWEEN 0 AND wanted", name="ck_dish_taken"),
    )
    op.create_index("ix_dish_gathering_id", "dish", ["gathering_id"])
    op.create_index("ix_dish_own_guest_id", "dish", ["own_guest_id"])
    op.create_table(
        "claim",
        sa.Column("dish_id", sa.Integer, nullable=False),
        sa.Column("guest_id", sa.Integer, nullable=False),
        sa.Column("portions", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("dish_id", "guest_id", name="pk_claim"),
        sa.ForeignKeyConstraint(
            ["dish_id"], ["dish.id"], name="fk_claim_dish_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guest.id"], name="fk_claim_guest_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("portions BETWEEN 1 AND 99", name="ck_claim_portions"),
    )
    op.create_index("ix_claim_guest_id", "claim", ["guest_id"])


def downgrade() -> None:
    """Removes everything."""
    for table in ("claim", "dish", "guest", "gathering"):
        op.drop_table(table)
