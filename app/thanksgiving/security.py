"""Who is asking, and may this request write? A signed visitor cookie, form keys bound to it, rate limits, headers.

Nothing of it is kept, so any replica with the same SECRET_KEY can answer.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator

from flask import Flask, Response, abort, after_this_request, current_app, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from itsdangerous import BadSignature, Signer
from wtforms import Form, ValidationError
from wtforms.csrf.core import CSRF, CSRFTokenField

from thanksgiving.config import Settings

COOKIE = "visitor"
COOKIE_SECONDS = 400 * 24 * 3600
#: The largest form has 40 dishes and a note: 72 kB where every character is one of four bytes, URL-encoded.
MAXIMUM_BODY = 128 * 1024
READING = {"GET", "HEAD", "OPTIONS"}
_VISITOR = re.compile(r"[A-Za-z0-9_-]{22}")
_MAC = 64

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


def init_app(app: Flask, settings: Settings) -> None:
    """Limits what may be sent, and adds the headers to every response."""
    app.config.update(MAX_CONTENT_LENGTH=MAXIMUM_BODY, MAX_FORM_PARTS=400)
    # itsdangerous signs with the last key and accepts all.
    keys = [*reversed(settings.previous_keys), settings.secret_key]
    app.extensions["visitors"] = Signer(keys, salt="visitor", digest_method=hashlib.sha256)
    # So many writes at once, and one a second in the long run.
    burst = max(settings.write_burst, 1)
    Limiter(
        get_remote_address,
        app=app,
        enabled=settings.write_burst > 0,
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


def known_visitor() -> str:
    """The identity in this browser's cookie, empty where there is none or its signature is not ours."""
    if "visitor" not in g:
        signed = request.cookies.get(_cookie_name()) or request.cookies.get(COOKIE, "")
        try:
            identity = current_app.extensions["visitors"].unsign(signed).decode()
        except (BadSignature, UnicodeError):
            identity = ""
        g.visitor = identity if _VISITOR.fullmatch(identity) else ""
    return str(g.visitor)


def visitor() -> str:
    """The identity of this browser, 22 characters; a new one, with its cookie, where it has none."""
    if not known_visitor():
        g.visitor = secrets.token_urlsafe(16)
        after_this_request(_give_cookie)
    return str(g.visitor)


def _cookie_name() -> str:
    """Browsers keep one jar for all ports of a host, so the name holds the port."""
    port = re.search(r":(\d+)$", request.host)
    return f"{COOKIE}-{port[1]}" if port else COOKIE


def _give_cookie(response: Response) -> Response:
    settings: Settings = current_app.extensions["settings"]
    response.set_cookie(
        _cookie_name(),
        current_app.extensions["visitors"].sign(visitor()).decode(),
        max_age=COOKIE_SECONDS,
        secure=settings.cookies_always_secure or request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _macs(*parts: str) -> Iterator[str]:
    """A keyed hash of the parts in 64 hex digits, by each key that is accepted, the present one first."""
    settings: Settings = current_app.extensions["settings"]
    for key in (settings.secret_key, *settings.previous_keys):
        derived = hmac.digest(key.encode(), b"csrf", "sha256")
        yield hmac.digest(derived, "".join(parts).encode("utf-8", "surrogatepass"), "sha256").hex()


def is_signed(mac: str, *parts: str) -> bool:
    """Whether ``mac`` is the beginning of a keyed hash of these parts."""
    sent = mac.encode("utf-8", "replace")
    return any(hmac.compare_digest(sent, right[: len(mac)].encode()) for right in _macs(*parts))


def form_key() -> str:
    """The key of the forms on this page: it belongs to the visitor, and each page has one of its own."""
    if "form_key" not in g:
        nonce = secrets.token_hex(8)
        g.form_key = nonce + next(_macs(visitor(), nonce))
    return str(g.form_key)


def notice_mark(notice: str) -> str:
    """Proves that a notice is meant for this visitor; 16 hex digits."""
    return next(_macs(visitor(), "notice", notice))[:16]


class VisitorCSRF(CSRF):  # type: ignore[misc] # untyped
    """Flask-WTF's form keys without a session: bound to the visitor, valid for as long as the cookie is."""

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:
        return form_key()

    def validate_csrf_token(self, form: Form, field: CSRFTokenField) -> None:
        nonce, mac = (field.data or "")[:-_MAC], (field.data or "")[-_MAC:]
        if len(mac) != _MAC or not is_signed(mac, visitor(), nonce):
            sentence = "This form was too old, or your browser blocks cookies."
            raise ValidationError(f"{sentence} Please send it once more.")


def fingerprint(purpose: str) -> bytes:
    """32 bytes that are the same whenever this very form comes again (a double click, a lost answer, Back).

    What is made from them exists once, however often the form is sent. Nobody can guess them.
    """
    fields = sorted(request.form.items(multi=True))
    return bytes.fromhex(next(_macs(purpose, request.path, repr(fields))))


def token_of_form(purpose: str) -> str:
    """A secret token as ``models.new_token`` makes them, always the same for the same form."""
    return base64.urlsafe_b64encode(fingerprint(purpose)[:18]).decode()


def id_of_form(purpose: str) -> int:
    """A number as ``models.new_id`` makes them, always the same for the same form."""
    return int.from_bytes(fingerprint(purpose)[:8]) % (2**31 - 2**21) + 2**20
