"""What an organiser sees and does, behind the organiser link."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort, request
from sqlalchemy import delete
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from thanksgiving import export, forms, gatherings, models, pages, security
from thanksgiving.db import database
from thanksgiving.models import MAX_ID, Dish, Gathering, Gratitude, Guest, RemovedGathering

blueprint = Blueprint("organiser", __name__, url_prefix="/o/<token>")

LINK = Gathering.organiser_digest
DISH = f"/dishes/<int(max={MAX_ID}):dish_id>"
PART = f"/<any(dishes, guests, thanks):kind>/<int(max={MAX_ID}):number>"
#: What the organiser can remove, by its part of the address: table, and beginning of the notices.
PARTS: dict[str, tuple[type[Dish | Guest | Gratitude], str]] = {
    "dishes": (Dish, "dish"),
    "guests": (Guest, "guest"),
    "thanks": (Gratitude, "thanks"),
}


@blueprint.get("")
def dashboard(token: str) -> Response:
    """Who comes and what is missing, at a glance."""
    return _page(token)


def _page(token: str, refused: forms.Form | None = None, dish_id: int = 0, **_: Any) -> Response:
    """The organiser's page; with a refused form, it holds what was typed (for ``dish_id``) and why it was refused."""
    event = gatherings.load(LINK, token)
    guest_path = f"/g/{event.guest_token}" if event.guest_token else None
    adding, editing = forms.DishForm(None, category="sides"), None
    if isinstance(refused, forms.DishForm):
        is_listed = any(dish.id == dish_id for dish in event.dishes)
        adding, editing = (adding, refused) if is_listed else (refused, None)
    return pages.page(
        "organiser.html",
        status=refused.refusal if refused else 200,
        event=event,
        token=token,
        guest_url=request.host_url.rstrip("/") + guest_path if guest_path else None,
        guest_path=guest_path,
        refused=refused,
        dish_id=dish_id,
        editing=editing,
        adding=adding,
    )


def change(rule: str, form_type: type[forms.Form], anchor: str = "top") -> Callable[..., Any]:
    """Registers what a form changes: a function of session, gathering and form, to a notice or a form that it refuses.

    While it runs, the gathering is locked.
    """

    def register(view: Callable[..., str | forms.Form]) -> Callable[..., AnyResponse]:
        @blueprint.post(rule)
        @wraps(view)
        def checked(token: str, **ids: Any) -> AnyResponse:
            form = form_type()
            if not form.validate():
                return _page(token, form, **ids)
            with database().write() as session:
                event = gatherings.lock(session, LINK, token)
                notice = view(session, event, form, **ids)
            if isinstance(notice, forms.Form):
                return _page(token, notice, **ids)
            return pages.back(f"/o/{token}", notice, anchor.format(**ids))

        return checked

    return register


@blueprint.route("/edit", methods=["GET", "POST"])
def edit(token: str) -> AnyResponse:
    """Changes the gathering itself, unless somebody else did since the form was opened."""
    event = gatherings.load(LINK, token)
    if request.method != "POST":
        start = event.local_start
        form = forms.EditForm(None, obj=event, date=f"{start:%Y-%m-%d}", time=f"{start:%H:%M}")
        return pages.page("edit.html", token=token, form=form, event=event)
    form = forms.EditForm()
    if form.validate():
        with database().write() as session:
            event = gatherings.lock(session, LINK, token)
            changes = form.changes(event)
            if changes and event.edit_version != form.edit_version.data:
                form.edit_version.data, form.edit_version.raw_data = event.edit_version, None
                form.refuse(409, "Somebody changed this gathering after you opened the form.")
            else:
                for column, value in changes.items():
                    setattr(event, column, value)
                event.edit_version += bool(changes)
                return pages.back(f"/o/{token}", "saved")
    return pages.page("edit.html", status=form.refusal, token=token, form=form, event=event)


@change("/rsvps", forms.RsvpsForm)
def rsvps(session: Session, event: Gathering, form: forms.RsvpsForm) -> str:
    """Closes or reopens RSVPs."""
    event.rsvps_open = form.rsvps.data == "open"
    return "opened" if event.rsvps_open else "closed-now"


@change("/guest-link", forms.GuestLinkForm, "share")
def guest_link(session: Session, event: Gathering, form: forms.GuestLinkForm) -> str:
    """Replaces the guest link or switches it off; the same form twice replaces once, as that link may be sent on."""
    fingerprint = security.fingerprint("guest link").hex()
    share = form.link.data == "new"
    if event.guest_link_form != fingerprint:
        event.guest_link_form = fingerprint
        event.guest_token = models.new_token() if share else None
        event.guest_digest = models.digest(event.guest_token) if event.guest_token else None
    return "new-guest-link" if share else "no-guest-link"


@blueprint.post("/organiser-link")
def organiser_link(token: str) -> AnyResponse:
    """Replaces the organiser link. The answer is the only copy of the new one, so the same form leads there again."""
    form = forms.Form()
    if not form.validate():
        return _page(token, form)
    replacement = security.token_of_form("organiser link")
    with database().write() as session:
        if event := gatherings.find(session, LINK, token):
            event.organiser_digest = models.digest(replacement)
        else:
            gatherings.lock(session, LINK, replacement)
    return pages.back(f"/o/{replacement}", "new-organiser-link")


@blueprint.post("/delete")
def remove_gathering(token: str) -> AnyResponse:
    """Deletes the gathering with all that its guests entered, once the organiser has ticked that they mean it."""
    form = forms.DeleteForm()
    if not form.validate():
        return _page(token, form)
    link = models.digest(token)
    with database().write() as session:
        if gatherings.find(session, LINK, token):
            session.execute(delete(Gathering).where(Gathering.organiser_digest == link))
            session.merge(RemovedGathering(organiser_digest=link))
        elif session.get(RemovedGathering, link) is None:
            abort(404)
    return pages.back("/", "deleted")


@change("/dishes", forms.DishForm, "menu")
def add_dish(session: Session, event: Gathering, form: forms.DishForm) -> str:
    """Adds a wish; the same form twice adds one."""
    number = security.id_of_form("dish")
    if gatherings.part(session, event, Dish, Dish.id == number):
        return "dish-added"
    if gatherings.is_full(session, event, Dish):
        return "full"
    session.add(Dish(id=number, gathering_id=event.id, **form.wish))
    return "dish-added"


@change(DISH, forms.DishForm, "dish-{dish_id}")
def edit_dish(
    session: Session, event: Gathering, form: forms.DishForm, dish_id: int
) -> str | forms.Form:
    """Changes a wish, unless somebody else did since the page was opened; a guest's own dish is theirs alone."""
    dish = gatherings.part(session, event, Dish, Dish.id == dish_id, Dish.own_guest_id.is_(None))
    if dish is None:
        return form.refuse(404, "That dish is no longer on the list.")
    changes = {name: value for name, value in form.wish.items() if getattr(dish, name) != value}
    if changes and form.edit_version.data not in ("", dish.edit_version):
        return form.refuse(409, "Somebody changed this dish after you opened the page.")
    if dish.taken > form.wanted.data:
        return "dish-over-claimed"
    for name, value in changes.items():
        setattr(dish, name, value)
    return "saved"


@change(f"{PART}/remove", forms.Form)
def remove_part(
    session: Session, event: Gathering, form: forms.Form, kind: str, number: int
) -> str:
    """Takes a dish, a guest with their dishes, or a post off the list; done already where it is gone."""
    model, notice = PARTS[kind]
    if kind == "guests" and (guest := gatherings.part(session, event, Guest, Guest.id == number)):
        gatherings.give_back(session, guest)
    is_it = (model.id == number, model.gathering_id == event.id)
    removed = session.scalar(delete(model).where(*is_it).returning(model.id))
    return f"{notice}-removed" if removed else f"{notice}-gone"


@blueprint.get("/<any(guests, dishes):kind>.csv")
def spreadsheet(token: str, kind: str) -> Response:
    """The answers or the menu as a spreadsheet."""
    event = gatherings.load(LINK, token)
    content = export.guests_csv(event) if kind == "guests" else export.dishes_csv(event)
    return pages.download(content, "text/csv", f"{kind}.csv")


@blueprint.get("/event.ics")
def calendar(token: str) -> Response:
    """The event for the organiser's calendar; it names the guest link, which may be shown around."""
    event = gatherings.load(LINK, token)
    url = request.host_url + (f"g/{event.guest_token}" if event.guest_token else "")
    return pages.download(export.calendar(event, url), "text/calendar", "thanksgiving.ics")
