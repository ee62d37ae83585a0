"""JSON logs and Prometheus metrics of requests. No names, addresses of people, links or query strings in either."""

import logging
import random
import re
from time import perf_counter
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram
from pythonjsonlogger.json import JsonFormatter

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# Routes are labelled by their pattern, never by their path: paths hold secret links.
REQUESTS = Counter("http_requests_total", "Requests answered", ["route", "method", "status"])
LATENCY = Histogram("http_request_duration_seconds", "Time to answer", ["route"], buckets=BUCKETS)
DATABASE = Histogram("database_duration_seconds", "Time of a session", ["kind"], buckets=BUCKETS)
GATHERINGS = Counter("thanksgiving_gatherings_created_total", "Gatherings created")
RSVPS = Counter("thanksgiving_rsvps_total", "Answers given or changed", ["attending"])
CLAIMS = Counter("thanksgiving_claims_total", "Attempts to claim a dish", ["outcome"])
THANKS = Counter("thanksgiving_gratitude_posts_total", "Posts on gratitude walls")
LIMITED = Counter("thanksgiving_rate_limited_total", "Writes refused by the rate limit")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._=:;-]{1,128}")
#: Probes come every few seconds; they are measured, but not logged.
QUIET = {"/healthz", "/readyz", "/metrics"}
#: Anything else a client may send as its method is counted as one.
METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}

access = logging.getLogger("access")


class Formatter(JsonFormatter):
    """One JSON object a line: time (UTC), level, logger, message, and the fields given as ``extra``."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
        super().__init__(["levelname", "name", "message"], rename_fields=names, timestamp="time")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {**log_data, "level": log_data["level"].lower()}


_STDOUT = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
_WARN = {"level": "WARNING"}  # flask-limiter would log the addresses of people
#: For logging.config: the application's and gunicorn's own messages in the same form.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": Formatter}},
    "handlers": {"stdout": _STDOUT},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {"gunicorn.error": {"propagate": True}, "alembic": _WARN, "flask-limiter": _WARN},
}


def request_id() -> str:
    """The id given by the caller (X-Request-ID, or the root of X-Amzn-Trace-Id), or a new one."""
    roots = re.findall(r"(?:^|;)\s*Root=([^;]*)", request.headers.get("X-Amzn-Trace-Id", ""))
    for given in (request.headers.get("X-Request-ID", ""), *roots):
        if _REQUEST_ID.fullmatch(given):
            return str(given)
    return f"{random.getrandbits(128):032x}"  # a name, not a secret


def init_app(app: Flask) -> None:
    """Measures and logs every request, also what was refused."""

    @app.before_request
    def begin() -> None:
        g.started, g.request_id = perf_counter(), request_id()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = perf_counter() - g.started
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(route, method, response.status_code).inc()
        LATENCY.labels(route).observe(seconds)
        if route not in QUIET:
            fields = {"request_id": g.request_id, "method": method, "route": route}
            fields |= {"status": response.status_code, "ms": round(seconds * 1000, 2)}
            access.info("request", extra=fields)
        response.headers["X-Request-ID"] = g.request_id
        return response
