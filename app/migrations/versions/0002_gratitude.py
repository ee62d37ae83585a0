"""The gratitude wall. A new table only: the previous version of the code does not notice."""

from functools import partial

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the wall."""
    column, part_of = partial(sa.Column, nullable=False), partial(sa.ForeignKey, ondelete="CASCADE")
    op.create_table(
        "gratitude",
        column("id", sa.Integer, primary_key=True),
        column("gathering_id", sa.Integer, part_of("gathering.id"), index=True),
        column("guest_id", sa.Integer, part_of("guest.id"), index=True),
        column("text", sa.String(500)),
        column("created_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Removes the wall."""
    op.drop_table("gratitude")
