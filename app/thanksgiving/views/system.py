"""What load balancers, orchestrators and Prometheus ask."""

import hmac
import os
import socket
from ipaddress import ip_address

from flask import Blueprint, Response, abort, current_app, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from thanksgiving import lifecycle
from thanksgiving.db import unready_because

blueprint = Blueprint("system", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    """Whether the process answers. Does not look at the database: restarting would not bring that back."""
    return _plain("ok")


@blueprint.get("/readyz")
def ready() -> Response:
    """Whether traffic may come: not about to stop, database reachable and migrated."""
    engine = current_app.extensions["engine"]
    reason = "stopping" if lifecycle.draining() else unready_because(engine)
    return _plain(reason, 503) if reason else _plain("ready")


@blueprint.get("/version")
def version() -> Response:
    config = current_app.config
    return jsonify(
        version=config["APP_VERSION"],
        commit=config["GIT_COMMIT"],
        image=config["IMAGE_DIGEST"],
        hostname=socket.gethostname(),
        environment=config["ENVIRONMENT"],
    )


@blueprint.get("/metrics")
def exposition() -> Response:
    """Metrics for this machine or container itself, and for a scraper with METRICS_TOKEN; a 404 for anybody else."""
    token = current_app.config["METRICS_TOKEN"]
    sent = request.headers.get("Authorization", "").encode()
    has_token = bool(token) and hmac.compare_digest(sent, f"Bearer {token}".encode())
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if not has_token and (is_forwarded or not ip_address(request.remote_addr or "::").is_loopback):
        abort(404)
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # the metrics of all workers
        MultiProcessCollector(registry := CollectorRegistry())  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _plain(text: str, status: int = 200) -> Response:
    return Response(f"{text}\n", status, {"Cache-Control": "no-store"}, "text/plain")
