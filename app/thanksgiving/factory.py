"""Puts the application together."""

import logging.config
import sys

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.middleware.proxy_fix import ProxyFix

from thanksgiving import (
    demo,
    errors,
    observability,
    pages,
    security,
    views_guest,
    views_organiser,
    views_public,
    views_system,
)
from thanksgiving.config import ConfigurationError, Settings, from_environment
from thanksgiving.db import Database, head, schema_version
from thanksgiving.logs import CONFIGURATION


def create_app(settings: Settings | None = None) -> Flask:
    """The application for these settings, by default those of the environment.

    Ends the process when they cannot be served.
    """
    logging.config.dictConfig(CONFIGURATION)
    try:
        settings = settings or from_environment()
    except ConfigurationError as error:
        sys.exit(f"thanksgiving cannot start: {error}")
    app = Flask(__name__, static_url_path="/static")
    # Flask's own session is not used, so it gets no key: it would be opened for every request.
    app.config.update(TEMPLATES_AUTO_RELOAD=settings.development)
    app.extensions["settings"] = settings
    app.extensions["database"] = database = Database(settings)
    if settings.auto_migrate:
        _migrate(settings, database)
    security.install(app, settings)
    pages.install(app)
    errors.install(app)
    demo.install(app)
    for views in (views_system, views_public, views_guest, views_organiser):
        app.register_blueprint(views.blueprint)
    app.wsgi_app = observability.measured(app.wsgi_app)  # type: ignore[method-assign,assignment]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _migrate(settings: Settings, database: Database) -> None:
    try:
        # Alembic takes a while to import, so it is only asked when there is something to do.
        if database.read(schema_version) < head():
            from thanksgiving import migrate  # noqa: PLC0415

            migrate.upgrade(settings)
    except (SQLAlchemyError, OSError) as error:
        sys.exit(
            f"thanksgiving cannot start: migrating the database failed: {' '.join(str(error).split())}"
        )
    finally:
        database.engine.dispose()  # gunicorn forks next; a connection must not be shared by two workers
