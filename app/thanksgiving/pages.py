"""Rendering: templates with their notices and validators, static files by content, and error pages."""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, redirect, render_template, request, session
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from thanksgiving import forms, models, security
from thanksgiving.observability import LIMITED

# ruff: noqa: PLR2004 - statuses of HTTP
STATIC = Path(__file__).parent / "static"


def static_hash(name: str) -> str:
    """The beginning of a static file's SHA-256."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a static file; it changes with the content, so browsers may keep it for ever."""
    return f"/static/{name}?v={static_hash(name)}"


def long_date(moment: datetime) -> str:
    """``Thursday, November 26, 2026 at 3:00 PM EST``."""
    return f"{moment:%A, %B %-d, %Y at %-I:%M %p %Z}"


def notice() -> str:
    """The key of the notice in this address for whom it happened to; for others, who only follow a link, empty."""
    key = request.args.get("notice", "")
    is_mine = "visitor" in session and request.args.get("to") == security.notice_mark(key)
    return key if is_mine else ""


def page(template: str, refused: forms.RefusedError | None = None, **context: Any) -> Response:
    """A rendered page; a 304 where the browser has it already (If-None-Match).

    The validator is a hash of what is shown, so it depends on data, code and templates alike. Only the
    form key, which each rendering makes anew, counts as the visitor to whom it belongs.
    """
    html = forms.BIDI.sub("", render_template(template, refused=refused, **context))
    response = Response(html, refused.status if refused else 200)
    if not refused:
        shown = html.replace(g.form_key, security.visitor()) if "form_key" in g else html
        response.set_etag(hashlib.sha256(shown.encode()).hexdigest()[:24], weak=True)
        response.make_conditional(request)
    return response


def back(path: str, notice: str, anchor: str = "top") -> Response:
    """Sends the visitor to a page with a notice."""
    address = f"{path}?notice={notice}&to={security.notice_mark(notice)}#{anchor}"
    return Response(status=303, headers={"Location": address})


def error_page(status: int, text: str | None = None) -> Response:
    """The page for a status that is not 200."""
    html = render_template("error.html", status=status, text=text)
    return Response(html, status, {"Cache-Control": "no-store"})


def init_app(app: Flask) -> None:
    """Gives the templates what they use, and registers error pages."""
    for function in (static_url, long_date, notice, security.form_key):
        app.jinja_env.globals[function.__name__] = function
    app.jinja_env.globals["diets"] = models.DIETS
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _failed)
    app.after_request(_keep_static)


def _keep_static(response: Response) -> Response:
    name = (request.view_args or {}).get("filename")
    if name and response.status_code < 400 and request.args.get("v") == static_hash(name):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _refused(error: HTTPException) -> AnyResponse:
    status = error.code or 200
    if status < 400 or error.response is not None:  # a redirect
        return error.get_response()
    if request.method in ("GET", "HEAD"):
        # Whoever wrote the link into a sentence left a mark behind it.
        path = re.sub(r"[^A-Za-z0-9_-]+$", "", request.path)
        if status == 404 and path != request.path and re.match(r"/[go]/[\w-]{24}(/|$)", path):
            return redirect(path, 308)
        # The address of a form that was refused: reloading leads to its page.
        if status == 405 and (form := re.match(r"(/[go]/[^/]+)/", request.path)):
            return redirect(form[1], 303)
    if status == 429:
        LIMITED.inc()
    response = error_page(status, error.description if status == 403 else None)
    if allowed := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allowed
    return response


def _failed(error: Exception) -> Response:
    fields = {"request_id": g.request_id}
    current_app.logger.error("request failed", exc_info=error, extra=fields)
    if not isinstance(error, DBAPIError | PoolTimeout):
        return error_page(500)
    response = error_page(503)
    response.headers["Retry-After"] = "5"
    return response
