"""What a visitor sees when something is wrong, and what the log says about it."""

import logging

from flask import Flask, Response, render_template, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from thanksgiving.gatherings import NotFoundError
from thanksgiving.guests import ClosedError
from thanksgiving.observability import REQUEST_ID
from thanksgiving.security import WriteRefusedError

log = logging.getLogger("thanksgiving")

TEXTS = {
    400: ("That did not work", "Your browser sent something that we could not read."),
    404: (
        "Nothing on this plate",
        "This link does not lead to a gathering. It may have been replaced: please ask whoever sent it.",
    ),
    405: ("That did not work", "This page cannot be used like that."),
    413: ("That is too much", "The form holds more than we can take."),
    503: (
        "Back in a moment",
        "We cannot reach our records just now. Please try again in a minute.",
    ),
}
FALLBACK = (
    "Something burned in the oven",
    "That was our mistake, and it is logged. Please try again.",
)


def page(status: int, message: str | None = None, retry_after: int = 0) -> Response:
    """An error page."""
    title, text = TEXTS.get(status, TEXTS[400] if status < 500 else FALLBACK)  # noqa: PLR2004 - HTTP
    response = Response(
        render_template("error.html", title=title, text=message or text),
        status,
        mimetype="text/html",
    )
    response.headers["Cache-Control"] = "no-store"
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def install(app: Flask) -> None:
    """Registers the handlers."""

    @app.errorhandler(NotFoundError)
    def not_found(_error: NotFoundError) -> Response:
        return page(404)

    @app.errorhandler(ClosedError)
    def closed(_error: ClosedError) -> Response:
        return page(403, "The organiser has closed RSVPs; please ask them directly.")

    @app.errorhandler(WriteRefusedError)
    def refused(error: WriteRefusedError) -> Response:
        return page(error.status, error.message, error.retry_after)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        response = page(error.code or 500)
        if error.code == 405 and "Allow" in (headers := dict(error.get_headers())):  # noqa: PLR2004 - HTTP
            response.headers["Allow"] = headers["Allow"]
        return response if (error.code or 500) >= 400 else error.get_response()  # type: ignore[return-value] # noqa: PLR2004

    @app.errorhandler(DBAPIError)
    @app.errorhandler(PoolTimeout)
    def database_away(error: Exception) -> Response:
        _log("database error", error)
        return page(503, retry_after=5)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        _log("unexpected error", error)
        return page(500)


def _log(message: str, error: Exception) -> None:
    fields = {"request_id": request.environ.get(REQUEST_ID)}
    log.error(message, exc_info=error, extra={"fields": fields})
