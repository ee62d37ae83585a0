"""The front page and the form that starts a gathering."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from thanksgiving import gatherings, metrics
from thanksgiving.pages import database
from thanksgiving.validation import Form

blueprint = Blueprint("public", __name__)

#: What the wish-list of a new gathering starts with; every row can be changed or emptied.
CLASSICS = (
    ("mains", "Roast turkey", 1),
    ("mains", "A vegetarian main", 1),
    ("sides", "Stuffing", 2),
    ("sides", "Mashed potatoes", 2),
    ("sides", "Cranberry sauce", 1),
    ("desserts", "Pumpkin pie", 2),
    ("drinks", "Cider and wine", 3),
)
EMPTY_ROWS = 3
DEFAULT_TIME, DEFAULT_ZONE = "15:00", "America/New_York"
ZONES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
    "America/Anchorage", "Pacific/Honolulu", "America/Toronto", "America/Vancouver", "America/Mexico_City",
    "America/Sao_Paulo", "Europe/London", "Europe/Dublin", "Europe/Berlin", "Europe/Paris", "Europe/Madrid",
    "Africa/Lagos", "Africa/Johannesburg", "Asia/Jerusalem", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo",
    "Australia/Sydney", "Pacific/Auckland", "UTC",
)  # fmt: skip


@blueprint.get("/")
def home() -> str:
    """What this is, and a button to start."""
    return render_template("home.html")


@blueprint.get("/new")
def new() -> str:
    """The form for a new gathering."""
    rows = [*CLASSICS, *[("other", "", 1)] * EMPTY_ROWS]
    fields = MultiDict[str, str]({"time": DEFAULT_TIME, "timezone": DEFAULT_ZONE})
    return render_template("new.html", fields=fields, rows=rows, errors={}, zones=ZONES)


@blueprint.post("/new")
def create() -> Response | tuple[str, int]:
    """Creates the gathering and goes to the organiser's page."""
    form = Form(request.form)
    details = read_details(form)
    wishes = form.wishes()
    if form.errors:
        rows = list(
            zip(
                request.form.getlist("dish_category"),
                request.form.getlist("dish_name"),
                request.form.getlist("dish_wanted"),
                strict=False,
            )
        )
        page = render_template(
            "new.html", fields=request.form, rows=rows, errors=form.errors, zones=ZONES
        )
        return page, 422
    token = database().write(lambda connection: gatherings.create(connection, details, wishes))
    metrics.GATHERINGS.inc()
    return redirect(f"/o/{token}?notice=created", 303)


def read_details(form: Form) -> gatherings.Details:
    """What the organiser's forms have in common."""
    title = form.text("title", "The title", 120, required=True)
    starts_at, timezone = form.moment()
    return gatherings.Details(
        title=title,
        starts_at=starts_at,
        timezone=timezone,
        place=form.text("place", "The place", 200, required=True),
        note=form.text("note", "The note", 2000, lines=True),
    )
