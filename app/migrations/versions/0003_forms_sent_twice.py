"""What tells a form that is sent twice; the order of dishes. The previous version of the code does not notice."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds a table and two columns."""
    op.create_table(
        "removed_gathering",
        sa.Column("organiser_digest", sa.String(64), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organiser_digest", name="pk_removed_gathering"),
    )
    op.add_column("gathering", sa.Column("guest_link_form", sa.String(64)))
    op.add_column("dish", sa.Column("created_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Removes them."""
    op.drop_column("dish", "created_at")
    op.drop_column("gathering", "guest_link_form")
    op.drop_table("removed_gathering")
