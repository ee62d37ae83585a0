"""A potluck planner for Thanksgiving: who comes, who brings what, and what everybody is grateful for."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from thanksgiving.config import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The application for these settings, by default those of the environment.

    Imported only now: gunicorn's master reads its configuration from this package, and what the master
    has imported no worker reloads when it is edited.
    """
    from thanksgiving import factory  # noqa: PLC0415

    return factory.create_app(settings)
