"""How Alembic runs here: in the transaction and under the lock that thanksgiving.migrate holds."""

from alembic import context
from thanksgiving.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
context.run_migrations()
