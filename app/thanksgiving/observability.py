"""One log line and one measurement for each request, with an id that follows it through proxies."""

import re
import secrets
from time import perf_counter

from flask import Flask, Response, g, request

from thanksgiving import metrics
from thanksgiving.logs import ACCESS

_REQUEST_ID = re.compile(r"[A-Za-z0-9._=:;-]{1,128}")
#: Probes come every few seconds; they are measured, but not logged.
QUIET = {"/healthz", "/readyz", "/metrics"}
#: Anything else a client may send as its method is counted as one.
METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}


def request_id() -> str:
    """The id given by the caller (X-Request-ID, or the root of X-Amzn-Trace-Id), or a new one."""
    given = request.headers.get("X-Request-ID", "")
    if _REQUEST_ID.fullmatch(given):
        return given
    for part in request.headers.get("X-Amzn-Trace-Id", "").split(";"):
        name, _, value = part.partition("=")
        if name.strip() == "Root" and _REQUEST_ID.fullmatch(value):
            return value
    return secrets.token_hex(16)


def install(app: Flask) -> None:
    """Measures and logs every request. Has to be installed first, so that refused requests are seen too."""

    @app.before_request
    def start() -> None:
        g.started = perf_counter()
        g.request_id = request_id()

    @app.after_request
    def finish(response: Response) -> Response:
        seconds = perf_counter() - g.get("started", perf_counter())
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = request.method if request.method in METHODS else "other"
        metrics.requests(route, method, response.status_code).inc()
        metrics.request_seconds(route).observe(seconds)
        response.headers["X-Request-ID"] = g.request_id
        if route not in QUIET:
            ACCESS.write(
                {
                    "request_id": g.request_id,
                    "method": method,
                    "route": route,
                    "status": response.status_code,
                    "ms": round(seconds * 1000, 2),
                }
            )
        return response
