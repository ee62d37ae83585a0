"""A potluck planner for Thanksgiving: who comes, who brings what, and what everybody is grateful for."""

import logging.config
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from thanksgiving.config import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The application for these settings, by default those of the environment.

    Ends the process when they cannot be served. Imports here, not above: gunicorn's master reads its
    configuration from this package, and no worker reloads a module that the master has imported.
    """
    # ruff: noqa: PLC0415
    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from thanksgiving import config, db, demo, observability, pages, security
    from thanksgiving.views import guest, organiser, public, system

    logging.config.dictConfig(observability.LOGGING)
    try:
        settings = settings or config.from_environment()
    except config.ConfigurationError as error:
        sys.exit(f"thanksgiving cannot start: {error}")
    app = Flask(__name__)
    app.config["TEMPLATES_AUTO_RELOAD"] = settings.development
    app.extensions["settings"] = settings
    db.init_app(app, settings)
    observability.init_app(app)
    security.init_app(app, settings)
    pages.init_app(app)
    app.cli.add_command(demo.seed_demo)
    for views in (system, public, guest, organiser):
        app.register_blueprint(views.blueprint)
    if hops := settings.trusted_proxies:
        # Not the host: balancers pass Host on as it came, and would pass on a client's X-Forwarded-Host as well.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app
