"""Changes of the sample application itself; they go with it."""

from tests.gauntlet.edits import Change, append, replace

BAD = (
    Change(
        "readiness that does not ask the database",
        "test",
        ("tests/app", "ready"),
        replace(
            "app/thanksgiving/views/system.py",
            "unready_because(engine)\n",
            'unready_because(engine) and ""\n',
        ),
    ),
    Change(
        "a migration that drops a column still used",
        "test",
        ("tests/app", "place"),
        append(
            "app/migrations/versions/0999_drop_place.py",
            '''\
            """Drops the place."""

            from alembic import op

            revision = "0999"
            down_revision = "0003"


            def upgrade() -> None:
                """Drops the column."""
                op.drop_column("gathering", "place")


            def downgrade() -> None:
                """Nothing can bring it back."""
            ''',
        ),
    ),
)

GOOD = (
    Change(
        "a remark in a view",
        "",
        (),
        replace(
            "app/thanksgiving/views/system.py",
            '    return _plain("ok")',
            '    # Nothing to look at.\n    return _plain("ok")',
        ),
        of=("readiness that does not ask the database",),
    ),
)
