"""Rendering: templates, the cache of finished guest pages, static files by content, and the words of the notices."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

from flask import Flask, Response, current_app, g, render_template, request
from markupsafe import Markup, escape

from thanksgiving import security, validation
from thanksgiving.db import Database
from thanksgiving.snapshot import GuestView, LruCache, Snapshot, Snapshots

STATIC = Path(__file__).parent / "static"
STATIC_SECONDS = 365 * 24 * 3600
PAGES_KEPT = 512

#: What a redirect says afterwards: ``?notice=<key>`` -> kind, sentence. Only these can be shown.
NOTICES = {
    "created": (
        "good",
        "Your gathering is ready. Keep the address of this page to yourself and send the guest link to your guests.",
    ),
    "saved": ("good", "Saved."),
    "deleted": ("good", "The gathering and everything in it is deleted."),
    "closed-now": ("good", "RSVPs are closed. Guests can look, but change nothing."),
    "opened": ("good", "RSVPs are open."),
    "new-guest-link": ("good", "There is a new guest link. The old one no longer works."),
    "no-guest-link": ("good", "The guest link is switched off."),
    "new-organiser-link": (
        "good",
        "This is your new organiser link. The old one no longer works: bookmark this page.",
    ),
    "dish-added": ("good", "Added to the list."),
    "dish-removed": ("good", "Taken off the list."),
    "dish-over-claimed": ("bad", "More portions than that are already claimed."),
    "guest-removed": ("good", "The guest is removed; their dishes are free again."),
    "thanks-removed": ("good", "The post is removed."),
    "coming": ("good", "Lovely, you are on the list! Is there a dish you would like to bring?"),
    "not-coming": ("good", "Thank you for letting us know. You will be missed."),
    "given-back": (
        "good",
        "Thank you for letting us know. The dishes that you had claimed are free again.",
    ),
    "claimed": ("good", "Wonderful, that one is yours to bring."),
    "released": ("good", "Given back; somebody else can bring it now."),
    "added": ("good", "How generous! It is on the list."),
    "unchanged": ("good", "Nothing to change there."),
    "taken": ("bad", "Somebody was a moment quicker: not that many portions are left."),
    "say-you-come": ("bad", "Please tell us first that you come, then choose a dish."),
    "gone": ("bad", "That dish is no longer on the list."),
    "closed": ("bad", "The organiser has closed RSVPs; please ask them directly."),
    "full": ("bad", "The list is full; please ask the organiser."),
    "thanked": ("good", "Posted. Thank you for sharing!"),
    "wall-closed": ("bad", "Please RSVP first, so that everybody knows who is thankful."),
}


@cache
def static_url(name: str) -> str:
    """The address of a static file; it changes with the content, so browsers may keep it for ever."""
    content = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={content}"


def long_date(moment: datetime) -> str:
    """``Thursday, November 26, 2026 at 3:00 PM EST``."""
    hour = moment.hour % 12 or 12
    return f"{moment:%A, %B} {moment.day}, {moment.year} at {hour}:{moment:%M %p %Z}"


def paragraphs(text: str) -> Markup:
    """Text with its line breaks, escaped."""
    return Markup("<br>").join(escape(line) for line in text.split("\n"))


def notice() -> tuple[str, str] | None:
    """Kind and sentence of the notice that this request asks for."""
    return NOTICES.get(request.args.get("notice", ""))


def database() -> Database:
    """The application's database."""
    found: Database = current_app.extensions["database"]
    return found


def snapshots() -> Snapshots:
    """The application's kept snapshots."""
    found: Snapshots = current_app.extensions["snapshots"]
    return found


def install(app: Flask) -> None:
    """Gives the templates what they use, and static files a year of caching."""
    development = app.extensions["settings"].development
    app.extensions["snapshots"] = Snapshots(app.extensions["database"])
    app.extensions["guest_pages"] = LruCache[tuple[int, int, int], "KeptPage"](PAGES_KEPT)
    app.jinja_env.globals.update(
        static_url=static_url.__wrapped__ if development else static_url,
        csrf_token=lambda: security.csrf_token(app),
        notice=notice,
        categories=validation.CATEGORIES,
        limits=validation,
    )
    app.jinja_env.filters.update(long_date=long_date, paragraphs=paragraphs)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if not development:
        app.view_functions["static"] = _keep_static(app)


def _keep_static(app: Flask) -> Callable[..., Response]:
    def static(filename: str) -> Response:
        response = app.send_static_file(filename)
        response.headers["Cache-Control"] = f"public, max-age={STATIC_SECONDS}, immutable"
        return response

    return static


class KeptPage:
    """A finished page with gaps for what differs from request to request: the form token and the notice."""

    def __init__(self, html: str, token: str, notice_mark: str) -> None:
        before, _, after = html.encode().partition(notice_mark.encode())
        self._before = before.split(token.encode())
        self._after = after.split(token.encode())

    def fill(self, token: str, notice_html: str) -> bytes:
        """The page for one request."""
        filler = token.encode()
        return filler.join(self._before) + notice_html.encode() + filler.join(self._after)


def guest_page(snapshot: Snapshot, guest: GuestView | None) -> Response:
    """The page behind the guest link, from memory when this guest's page at this revision was rendered before."""
    key = (snapshot.id, snapshot.revision, guest.id if guest else 0)
    kept: LruCache[tuple[int, int, int], KeptPage] = current_app.extensions["guest_pages"]
    page = kept.get(key)
    token = security.csrf_token(current_app)
    etag = f"{key[1]}-{key[2]}-{token[:12]}-{request.args.get('notice', '')[:20]}"
    if page is None:
        # Unguessable, so that nothing a guest writes can stand for a gap.
        token_mark, notice_mark = secrets.token_hex(16), secrets.token_hex(16)
        html = render_template(
            "guest.html",
            event=snapshot,
            me=guest,
            token=token_mark,
            notice_gap=Markup(f"<!--{notice_mark}-->"),  # noqa: S704 - made above
        )
        page = KeptPage(html, token_mark, f"<!--{notice_mark}-->")
        if not current_app.extensions["settings"].development:
            kept.put(key, page)
    response = Response(page.fill(token, notice_html(notice())))
    response.headers["ETag"] = f'W/"{hashlib.sha256(etag.encode()).hexdigest()[:24]}"'
    if "If-None-Match" in request.headers and "new_visitor" not in g:
        response.make_conditional(request)
    return response


def notice_html(shown: tuple[str, str] | None) -> str:
    """The notice as HTML; its place exists without one too, for the live updates."""
    if shown is None:
        return '<div id="notice" role="status" aria-live="polite"></div>'
    kind, sentence = shown
    return f'<div id="notice" role="status" aria-live="polite"><p class="notice {kind}">{escape(sentence)}</p></div>'


def download(content: str, mimetype: str, name: str) -> Response:
    """A file to keep."""
    response = Response(content, content_type=f"{mimetype}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
