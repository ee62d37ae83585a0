"""One log line and one measurement for each request, with an id that follows it through proxies."""

import random
import re
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from thanksgiving import metrics
from thanksgiving.logs import ACCESS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REQUEST_ID = re.compile(r"[A-Za-z0-9._=:;-]{1,128}")
#: Probes come every few seconds; they are measured, but not logged.
QUIET = {"/healthz", "/readyz", "/metrics"}
#: Anything else a client may send as its method is counted as one.
METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}


#: Where the request's id lies in its WSGI environment.
REQUEST_ID = "thanksgiving.request_id"


def request_id(environ: "WSGIEnvironment") -> str:
    """The id given by the caller (X-Request-ID, or the root of X-Amzn-Trace-Id), or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    if _REQUEST_ID.fullmatch(given):
        return str(given)
    for part in environ.get("HTTP_X_AMZN_TRACE_ID", "").split(";"):
        name, _, value = part.partition("=")
        if name.strip() == "Root" and _REQUEST_ID.fullmatch(value):
            return str(value)
    return f"{random.getrandbits(128):032x}"  # a name, not a secret


def measured(inner: "WSGIApplication") -> "WSGIApplication":
    """Measures and logs whatever is answered, also what was refused; as plain WSGI, since this is done each time."""

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        started = perf_counter()
        this = environ[REQUEST_ID] = request_id(environ)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            seconds = perf_counter() - started
            rule = environ["werkzeug.request"].url_rule
            route = rule.rule if rule else "unmatched"
            method = environ["REQUEST_METHOD"]
            method = method if method in METHODS else "other"
            code = int(status[:3])
            metrics.requests(route, method, code).inc()
            metrics.request_seconds(route).observe(seconds)
            if route not in QUIET:
                ACCESS.write(this, method, route, code, seconds * 1000)
            return start_response(status, [*headers, ("X-Request-ID", this)], *rest)

        return inner(environ, start)

    return wrapped
