"""The gratitude wall. A new table only: the previous version of the code does not notice."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the wall."""
    op.create_table(
        "gratitude",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("gathering_id", sa.Integer, nullable=False),
        sa.Column("guest_id", sa.Integer, nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["gathering_id"], ["gathering.id"], name="fk_gratitude_gathering_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["guest_id"], ["guest.id"], name="fk_gratitude_guest_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_gratitude_gathering_id", "gratitude", ["gathering_id"])
    op.create_index("ix_gratitude_guest_id", "gratitude", ["guest_id"])


def downgrade() -> None:
    """Removes the wall."""
    op.drop_table("gratitude")
