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
        "readiness that never comes",
        "test",
        ("tests/app", "ready"),
        replace("app/thanksgiving/views/system.py", '_plain("ready")', '_plain("not yet", 503)'),
    ),
    Change(
        "500 on a fifth of all requests",
        "test",
        ("tests/app", "500"),
        replace(
            "app/thanksgiving/observability.py",
            "        seconds = perf_counter() - g.started\n",
            "        seconds = perf_counter() - g.started\n"
            "        if random.randrange(5) == 0:  # noqa: S311\n            response.status_code = 500\n",
        ),
    ),
    Change(
        "a dish that nobody can claim",
        "test",
        ("tests/app", "claim"),
        replace(
            "app/thanksgiving/views/guest.py",
            '    return "claimed" if portions else "released"\n',
            '    raise RuntimeError("no dish")\n',
        ),
    ),
    Change(
        "a migration that fails",
        "test",
        ("tests/app", "no such table"),
        replace(
            "app/thanksgiving/migrate.py",
            "        return before, schema_version(connection)\n",
            '        raise SQLAlchemyError("no such table")\n',
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
        of=("readiness that does not ask the database", "readiness that never comes"),
    ),
)
