"""Who is asking, and may they write? Nothing of it is kept: any replica with the same SECRET_KEY can answer."""

import hashlib
import re
import secrets
from datetime import timedelta

from flask import Flask, Response, abort, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from itsdangerous import Signer
from wtforms import Form, ValidationError
from wtforms.csrf.core import CSRF, CSRFTokenField

from thanksgiving.db import READING
from thanksgiving.models import MAX_ID, MIN_ID

COOKIE = "visitor"
#: The largest form has 40 dishes and a note: 72 kB where every character is one of four bytes, URL-encoded.
MAXIMUM_BODY = 128 * 1024

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The path is a secret: other sites must not see where a visitor comes from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "X-Robots-Tag": "noindex, nofollow",
}


class VisitorSession(SecureCookieSessionInterface):
    """Flask's session, in a cookie whose name holds the port: browsers keep one jar for all ports of a host."""

    def get_cookie_name(self, app: Flask) -> str:
        port = re.search(r":(\d+)$", request.host)
        return f"{COOKIE}-{port[1]}" if port else COOKIE

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure or super().get_cookie_secure(app)


def init_app(app: Flask) -> None:
    """Limits what may be sent, and adds the headers to every response."""
    app.config.update(
        MAX_CONTENT_LENGTH=MAXIMUM_BODY,
        MAX_FORM_PARTS=400,
        PERMANENT_SESSION_LIFETIME=timedelta(days=400),
        SESSION_REFRESH_EACH_REQUEST=False,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.session_interface = VisitorSession()
    # So many writes at once, and one a second in the long run.
    burst = max(app.config["WRITE_BURST"], 1)
    Limiter(
        get_remote_address,
        app=app,
        enabled=app.config["WRITE_BURST"] > 0,
        application_limits=[f"{burst} per {burst} seconds"],
        application_limits_exempt_when=lambda: request.method in READING,
        strategy="moving-window",
        storage_uri="memory://",
        headers_enabled=True,  # with Retry-After
    )

    @app.before_request
    def refuse_other_sites() -> None:
        if request.method not in READING and request.headers.get("Sec-Fetch-Site") == "cross-site":
            abort(403, "This form was sent from another site.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


def visitor() -> str:
    """The identity of this browser, 22 characters; a new one where it has none yet."""
    if "visitor" not in session:
        session["visitor"], session.permanent = secrets.token_urlsafe(16), True
    return str(session["visitor"])


def _signer(purpose: str) -> Signer:
    """Signs for this visitor alone. itsdangerous signs with the last key and accepts all."""
    keys = [*current_app.config["SECRET_KEY_FALLBACKS"], current_app.config["SECRET_KEY"]]
    return Signer(keys, salt=f"{purpose} {visitor()}", digest_method=hashlib.sha256)


def form_key() -> str:
    """The key of the forms on this page: it belongs to the visitor, and each page has one of its own."""
    if "form_key" not in g:
        g.form_key = _signer("form").sign(secrets.token_hex(8)).decode()
    return str(g.form_key)


def notice_mark(notice: str) -> str:
    """Proves that a notice is meant for this visitor."""
    return _signer("notice").get_signature(notice).decode()


class VisitorCSRF(CSRF):  # type: ignore[misc] # untyped
    """Flask-WTF's form keys, bound to the visitor and valid for as long as the session is."""

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:
        return form_key()

    def validate_csrf_token(self, form: Form, field: CSRFTokenField) -> None:
        if not _signer("form").validate(field.data or ""):
            sentence = "This form was too old, or your browser blocks cookies."
            raise ValidationError(f"{sentence} Please send it once more.")


def fingerprint(purpose: str) -> str:
    """43 URL-safe characters that nobody can guess, the same whenever this very form comes again: what is made from
    them exists once, however often the form is sent (a double click, a lost answer, Back)."""
    fields = sorted(request.form.items(multi=True))
    return _signer(purpose).get_signature(repr((request.path, fields))).decode()


def id_of_form(purpose: str) -> int:
    """A number as ``models.new_id`` makes them, always the same for the same form."""
    return MIN_ID + int.from_bytes(fingerprint(purpose).encode()) % (MAX_ID - MIN_ID)
