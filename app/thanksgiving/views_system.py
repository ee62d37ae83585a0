"""What load balancers, orchestrators and Prometheus ask."""

import socket

from flask import Blueprint, Response, abort, current_app, jsonify, request

from thanksgiving import lifecycle, metrics
from thanksgiving.config import Settings
from thanksgiving.db import Database, unready_because

blueprint = Blueprint("system", __name__)

HOSTNAME = socket.gethostname()


@blueprint.get("/healthz")
def alive() -> Response:
    """Whether the process answers. Does not look at the database: restarting would not bring that back."""
    return _plain("ok")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Whether traffic may come: not about to stop, database reachable and migrated."""
    if lifecycle.draining():
        return _plain("stopping"), 503
    database: Database = current_app.extensions["database"]
    if reason := unready_because(database):
        return _plain(reason), 503
    return _plain("ready"), 200


@blueprint.get("/version")
def version() -> Response:
    """What runs here."""
    settings: Settings = current_app.extensions["settings"]
    return jsonify(
        version=settings.version,
        commit=settings.commit,
        image=settings.image,
        hostname=HOSTNAME,
        environment=settings.environment,
    )


@blueprint.get("/metrics")
def exposition() -> Response:
    """Metrics for a scraper inside the network; what came through a proxy gets a 404."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        abort(404)
    return Response(metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _plain(text: str) -> Response:
    response = Response(f"{text}\n", mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
