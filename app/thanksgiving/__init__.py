"""A potluck planner for Thanksgiving: who comes, who brings what, and what everybody is grateful for."""

import logging.config
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask


def create_app(settings: "dict[str, Any] | None" = None) -> "Flask":
    """The application for these settings, by default those of the environment.

    Ends the process when they cannot be served. Imports here, not above: gunicorn's master reads its
    configuration from this package, and no worker reloads a module that the master has imported.
    """
    # ruff: noqa: PLC0415
    from flask import Flask
    from sqlalchemy.exc import SQLAlchemyError
    from werkzeug.middleware.proxy_fix import ProxyFix

    from thanksgiving import config, db, demo, migrate, observability, pages, security
    from thanksgiving.views import guest, organiser, public, system

    logging.config.dictConfig(observability.LOGGING)
    app = Flask(__name__)
    try:
        app.config.update(settings or config.from_environment())
        if app.config["AUTO_MIGRATE"]:
            migrate.upgrade(app.config)
    except config.ConfigurationError as error:
        sys.exit(f"thanksgiving cannot start: {error}")
    except (SQLAlchemyError, OSError) as error:
        cause = f"migrating the database failed: {migrate.explain(error)}"
        sys.exit(f"thanksgiving cannot start: {cause}")
    for part in (db, observability, security, pages):
        part.init_app(app)
    app.cli.add_command(demo.seed_demo)
    for views in (system, public, guest, organiser):
        app.register_blueprint(views.blueprint)
    if hops := app.config["TRUSTED_PROXIES"]:
        # Not the host: balancers pass Host on as it came, and would pass on a client's X-Forwarded-Host as well.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app
