"""What an organiser sees and does, behind the organiser link."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from thanksgiving import export, gatherings, pages, wall
from thanksgiving.models import MAX_ID
from thanksgiving.snapshot import Snapshot
from thanksgiving.validation import CATEGORIES, MAX_WANTED, Form, Wish
from thanksgiving.views_public import ZONES, read_details

blueprint = Blueprint("organiser", __name__, url_prefix="/o/<token>")

DISH = f"/dishes/<int(max={MAX_ID}):dish_id>"


def load(token: str) -> Snapshot:
    """The gathering of an organiser link; NotFoundError for any other text."""
    return pages.snapshots().for_organiser(token)


@blueprint.get("")
def dashboard(token: str) -> str:
    """Who comes and what is missing, at a glance."""
    return _dashboard(token, load(token), {})


def _dashboard(token: str, snapshot: Snapshot, errors: dict[str, str]) -> str:
    guest_path = f"/g/{snapshot.guest_token}" if snapshot.guest_token else None
    return render_template(
        "organiser.html",
        event=snapshot,
        token=token,
        guest_url=request.host_url.rstrip("/") + guest_path if guest_path else None,
        guest_path=guest_path,
        errors=errors,
    )


@blueprint.get("/edit")
def edit_form(token: str) -> str:
    """The form that changes the gathering itself."""
    snapshot = load(token)
    return _edit_form(token, _fields(snapshot), {}, snapshot)


def _fields(snapshot: Snapshot) -> MultiDict[str, str]:
    start = snapshot.local_start
    return MultiDict(
        {
            "title": snapshot.title,
            "date": f"{start:%Y-%m-%d}",
            "time": f"{start:%H:%M}",
            "timezone": snapshot.timezone,
            "place": snapshot.place,
            "note": snapshot.note,
            "edit_version": str(snapshot.edit_version),
        }
    )


def _edit_form(
    token: str,
    fields: MultiDict[str, str],
    errors: dict[str, str],
    snapshot: Snapshot,
    newer: Snapshot | None = None,
) -> str:
    return render_template(
        "edit.html",
        token=token,
        fields=fields,
        errors=errors,
        zones=ZONES,
        event=snapshot,
        newer=newer,
    )


@blueprint.post("/edit")
def edit(token: str) -> Response | tuple[str, int]:
    """Saves the gathering, unless somebody else did since this form was opened."""
    form = Form(request.form)
    details = read_details(form)
    edit_version = form.number("edit_version", "The form", 1, 999_999_999, default=0)
    if form.errors:
        return _edit_form(token, request.form, form.errors, load(token)), 422
    try:
        pages.database().write(
            lambda connection: gatherings.edit(connection, token, details, edit_version)
        )
    except gatherings.StaleError:
        newer = load(token)
        fields = MultiDict(request.form)
        fields["edit_version"] = str(newer.edit_version)
        return _edit_form(token, fields, {}, newer, newer), 409
    return _back(token, "saved")


@blueprint.post("/rsvps")
def rsvps(token: str) -> Response | tuple[str, int]:
    """Closes or reopens RSVPs."""
    form = Form(request.form)
    is_open = form.choice("rsvps", "RSVPs", ("open", "close")) == "open"
    if form.errors:
        return _dashboard(token, load(token), form.errors), 422
    pages.database().write(
        lambda connection: gatherings.open_rsvps(connection, token, is_open=is_open)
    )
    return _back(token, "opened" if is_open else "closed-now")


@blueprint.post("/guest-link")
def guest_link(token: str) -> Response | tuple[str, int]:
    """Replaces the guest link or switches it off."""
    form = Form(request.form)
    share = form.choice("link", "The guest link", ("new", "off")) == "new"
    if form.errors:
        return _dashboard(token, load(token), form.errors), 422
    pages.database().write(
        lambda connection: gatherings.replace_guest_link(connection, token, share=share)
    )
    return _back(token, "new-guest-link" if share else "no-guest-link", "share")


@blueprint.post("/organiser-link")
def organiser_link(token: str) -> Response:
    """Replaces the organiser link."""
    fresh = pages.database().write(
        lambda connection: gatherings.replace_organiser_link(connection, token)
    )
    return _back(fresh, "new-organiser-link")


@blueprint.post("/delete")
def delete(token: str) -> Response | tuple[str, int]:
    """Deletes the gathering, once the organiser has ticked that they mean it."""
    form = Form(request.form)
    if not form.flag("confirm"):
        form.error("confirm", "Please tick the box if you really want to delete everything.")
        return _dashboard(token, load(token), form.errors), 422
    pages.database().write(lambda connection: gatherings.remove(connection, token))
    return redirect("/?notice=deleted", 303)


@blueprint.post("/dishes")
def add_dish(token: str) -> Response | tuple[str, int]:
    """Adds a wish."""
    form = Form(request.form)
    wish = _read_dish(form)
    if form.errors:
        return _dashboard(token, load(token), form.errors), 422
    added = pages.database().write(lambda connection: gatherings.add_dish(connection, token, wish))
    return _back(token, "dish-added" if added else "full", "menu")


@blueprint.post(DISH)
def edit_dish(token: str, dish_id: int) -> Response | tuple[str, int]:
    """Changes a wish."""
    form = Form(request.form)
    wish = _read_dish(form)
    if form.errors:
        return _dashboard(token, load(token), form.errors), 422
    saved = pages.database().write(
        lambda connection: gatherings.edit_dish(connection, token, dish_id, wish)
    )
    return _back(token, "saved" if saved else "dish-over-claimed", f"dish-{dish_id}")


@blueprint.post(f"{DISH}/remove")
def remove_dish(token: str, dish_id: int) -> Response:
    """Takes a dish off the list."""
    pages.database().write(lambda connection: gatherings.remove_dish(connection, token, dish_id))
    return _back(token, "dish-removed", "menu")


@blueprint.post(f"/guests/<int(max={MAX_ID}):guest_id>/remove")
def remove_guest(token: str, guest_id: int) -> Response:
    """Takes a guest off the list."""
    pages.database().write(lambda connection: gatherings.remove_guest(connection, token, guest_id))
    return _back(token, "guest-removed", "guests")


@blueprint.post(f"/thanks/<int(max={MAX_ID}):post_id>/remove")
def remove_thanks(token: str, post_id: int) -> Response:
    """Takes a post off the gratitude wall."""
    pages.database().write(lambda connection: wall.remove(connection, token, post_id))
    return _back(token, "thanks-removed", "wall")


@blueprint.get("/guests.csv")
def guests_csv(token: str) -> Response:
    """The answers as a spreadsheet."""
    return pages.download(export.guests_csv(load(token)), "text/csv", "guests.csv")


@blueprint.get("/dishes.csv")
def dishes_csv(token: str) -> Response:
    """The menu as a spreadsheet."""
    return pages.download(export.dishes_csv(load(token)), "text/csv", "dishes.csv")


@blueprint.get("/event.ics")
def calendar(token: str) -> Response:
    """The event for the organiser's calendar; it names the guest link, which may be shown around."""
    event = load(token)
    path = f"g/{event.guest_token}" if event.guest_token else ""
    return pages.download(
        export.calendar(event, request.host_url + path), "text/calendar", "thanksgiving.ics"
    )


def _read_dish(form: Form) -> Wish:
    return Wish(
        form.choice("category", "The category", CATEGORIES),
        form.text("name", "The dish", 80, required=True),
        form.number("wanted", "How many", 1, MAX_WANTED, default=1),
    )


def _back(token: str, notice: str, anchor: str = "top") -> Response:
    return redirect(f"/o/{token}?notice={notice}#{anchor}", 303)
