"""What load balancers, orchestrators and Prometheus ask."""

import hmac
import socket
from ipaddress import ip_address

from flask import Blueprint, Response, abort, current_app, jsonify, request

from thanksgiving import lifecycle, observability
from thanksgiving.config import Settings
from thanksgiving.db import database, unready_because

blueprint = Blueprint("system", __name__)

HOSTNAME = socket.gethostname()


@blueprint.get("/healthz")
def alive() -> Response:
    """Whether the process answers. Does not look at the database: restarting would not bring that back."""
    return _plain("ok")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Whether traffic may come: not about to stop, database reachable and migrated."""
    reason = "stopping" if lifecycle.draining() else unready_because(database().engine)
    return (_plain(reason), 503) if reason else (_plain("ready"), 200)


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
    """Metrics for this machine or container itself, and for a scraper with METRICS_TOKEN; a 404 for anybody else."""
    token = current_app.extensions["settings"].metrics_token
    sent = request.headers.get("Authorization", "").encode()
    has_token = bool(token) and hmac.compare_digest(sent, f"Bearer {token}".encode())
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if not has_token and (is_forwarded or not ip_address(request.remote_addr or "::").is_loopback):
        abort(404)
    content_type = "text/plain; version=0.0.4; charset=utf-8"
    return Response(observability.exposition(), content_type=content_type)


def _plain(text: str) -> Response:
    response = Response(f"{text}\n", mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
