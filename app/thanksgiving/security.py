"""Who is asking, and may this request write? A signed visitor cookie, form tokens tied to it, rate
limits, response headers.

Everything is stateless, so that any replica with the same SECRET_KEY can answer.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, after_this_request, g, request
from itsdangerous import BadSignature, Signer
from werkzeug.sansio.http import parse_cookie

from thanksgiving import metrics
from thanksgiving.config import Settings
from thanksgiving.ratelimit import RateLimit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

COOKIE = "visitor"
COOKIE_SECONDS = 400 * 24 * 3600
MAXIMUM_BODY = 64 * 1024
MAXIMUM_FORM_PARTS = 400
#: Writes that a client may do each second once its burst (WRITE_BURST) is used up.
WRITES_PER_SECOND = 1.0
#: Visitors whose cookie and form token each worker keeps checked, and the longest Cookie header kept.
VISITORS_KEPT = 4096
COOKIES_KEPT = 512
_VISITOR = re.compile(r"[A-Za-z0-9_-]{22}")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    ("Content-Security-Policy", CONTENT_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # The path is a secret: other sites must not see where a visitor comes from.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"),
    ("X-Robots-Tag", "noindex, nofollow"),
]
SECURE_HEADERS = [*HEADERS, ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")]


class WriteRefusedError(Exception):
    """A write that must not happen. ``status`` is the HTTP status, ``retry_after`` seconds where waiting helps."""

    def __init__(self, status: int, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


class Visitors:
    """Knows visitors by their signed cookie. What a cookie says never changes, so the last ones are kept."""

    def __init__(self, secret_key: str) -> None:
        self.signer = Signer(secret_key, salt="visitor", digest_method=hashlib.sha256)
        self._csrf_key = hmac.digest(secret_key.encode(), b"csrf", "sha256")
        self._kept = lru_cache(VISITORS_KEPT)(self._check)
        self.token = lru_cache(VISITORS_KEPT)(self._token)

    def known(self, cookies: str) -> str | None:
        """The visitor that a Cookie header names, None when it names none or the signature is not ours."""
        return self._kept(cookies) if len(cookies) <= COOKIES_KEPT else self._check(cookies)

    def _check(self, cookies: str) -> str | None:
        try:
            found = self.signer.unsign(parse_cookie(cookies).get(COOKIE, "")).decode()
        except (BadSignature, UnicodeError):
            return None
        return found if _VISITOR.fullmatch(found) else None

    def _token(self, visitor_id: str) -> str:
        """The form token that belongs to a visitor, 64 hex digits."""
        return hmac.digest(self._csrf_key, visitor_id.encode(), "sha256").hex()


def install(app: Flask, settings: Settings) -> None:
    """Checks every write before its view runs, and adds the headers to every response."""
    visitors = Visitors(settings.secret_key)
    limit = RateLimit(settings.write_burst, WRITES_PER_SECOND)
    app.config["MAX_CONTENT_LENGTH"] = MAXIMUM_BODY
    app.config["MAX_FORM_PARTS"] = MAXIMUM_FORM_PARTS
    app.extensions["visitors"] = visitors

    @app.before_request
    def check_write() -> None:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        wait = limit.wait_for(request.remote_addr or "")
        if wait:
            metrics.LIMITED.inc()
            raise WriteRefusedError(
                429, "That was a lot at once. Please wait a moment, then try again.", wait
            )
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise WriteRefusedError(403, "This form was sent from another site.")
        known = visitors.known(request.environ.get("HTTP_COOKIE", ""))
        sent = request.form.get("csrf_token", "")
        if known is None or not hmac.compare_digest(
            sent.encode("utf-8", "replace"), visitors.token(known).encode()
        ):
            raise WriteRefusedError(
                400,
                "This form is too old, or your browser blocks cookies. Please reload the page and send it again.",
            )
        g.visitor = known

    app.wsgi_app = _with_headers(app.wsgi_app)  # type: ignore[method-assign,assignment]


def _with_headers(inner: "WSGIApplication") -> "WSGIApplication":
    """Adds the fixed headers to whatever is answered; as plain WSGI, since this is done each time."""

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        fixed = SECURE_HEADERS if environ["wsgi.url_scheme"] == "https" else HEADERS

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if not any(name == "Cache-Control" for name, _ in headers):
                headers.append(("Cache-Control", "private, no-cache"))
            return start_response(status, [*headers, *fixed], *rest)

        return inner(environ, start)

    return wrapped


def visitor(app: Flask) -> str:
    """The identity of this browser, 22 characters; a new one (and its cookie) when it has none or a forged one."""
    current: str | None = g.get("visitor")
    if current is None:
        visitors: Visitors = app.extensions["visitors"]
        current = visitors.known(request.environ.get("HTTP_COOKIE", ""))
        if current is None:
            current = secrets.token_urlsafe(16)
            _give_cookie(visitors.signer.sign(current).decode(), app.extensions["settings"])
        g.visitor = current
    return current


def _give_cookie(signed: str, settings: Settings) -> None:
    g.new_visitor = True

    @after_this_request
    def give(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            signed,
            max_age=COOKIE_SECONDS,
            secure=settings.cookies_always_secure or request.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return response


def csrf_token(app: Flask) -> str:
    """The form token of this request's visitor."""
    token: str = app.extensions["visitors"].token(visitor(app))
    return token
