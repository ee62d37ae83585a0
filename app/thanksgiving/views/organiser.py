"""What an organiser sees and does, behind the organiser link."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort
from sqlalchemy import delete

from thanksgiving import export, forms, gatherings, models, pages, security
from thanksgiving.db import session
from thanksgiving.forms import RefusedError
from thanksgiving.models import MAX_ID, Dish, Gathering, Gratitude, Guest, RemovedGathering

blueprint = Blueprint("organiser", __name__, url_prefix="/o/<token>")

LINK = Gathering.organiser_digest
PARTS: dict[str, Any] = {"dishes": Dish, "guests": Guest, "thanks": Gratitude}


@blueprint.get("")
def dashboard(token: str) -> Response:
    return _page(token)


@blueprint.get("/edit")
def edit(token: str) -> Response:
    event = gatherings.load(LINK, token)
    start = event.local_start
    form = forms.EditForm(None, obj=event, date=f"{start:%Y-%m-%d}", time=f"{start:%H:%M}")
    return pages.page("edit.html", token=token, form=form, event=event)


def post(rule: str, endpoint: str = "") -> Callable[..., Any]:
    """Registers a view of what a form changes; where the form is refused, the page shows it again, and why."""

    def register(view: Callable[..., Response]) -> Callable[..., Response]:
        @blueprint.post(rule, endpoint=endpoint or view.__name__)
        def answer(token: str, **ids: Any) -> Response:
            try:
                return view(token, **ids)
            except RefusedError as refused:
                session().rollback()
                return _page(token, refused, **ids)

        return view

    return register


def _page(token: str, refused: RefusedError | None = None, dish_id: int = 0, **_: Any) -> Response:
    event = gatherings.load(LINK, token)
    if refused and isinstance(refused.form, forms.EditForm):
        return pages.page("edit.html", refused, token=token, form=refused.form, event=event)
    adding, editing = forms.DishForm(None, category="sides"), None
    if refused and isinstance(refused.form, forms.DishForm):
        is_listed = any(dish.id == dish_id for dish in event.dishes)
        adding, editing = (adding, refused.form) if is_listed else (refused.form, None)
    context = {"event": event, "token": token, "dish_id": dish_id}
    return pages.page("organiser.html", refused, editing=editing, adding=adding, **context)


def change(rule: str, form_type: type[forms.Form], anchor: str = "top") -> Callable[..., Any]:
    """Registers what a form changes: a function of the locked gathering and form, to a notice."""

    def register(view: Callable[..., str]) -> Callable[..., str]:
        @post(rule, view.__name__)
        def checked(token: str, **ids: Any) -> Response:
            form = form_type.sent()
            notice = view(gatherings.lock(LINK, token), form, **ids)
            session().commit()
            return pages.back(f"/o/{token}", notice, anchor.format(**ids))

        return view

    return register


@change("/edit", forms.EditForm)
def save(event: Gathering, form: forms.EditForm) -> str:
    """Changes the gathering itself, unless somebody else did since the form was opened."""
    changes = form.changes(event)
    if changes and form.edit_version.data != str(event.edit_version):
        form.edit_version.data = event.edit_version
        raise RefusedError(form, 409, "Somebody changed this gathering after you opened the form.")
    for column, value in changes.items():
        setattr(event, column, value)
    event.edit_version += bool(changes)
    return "saved"


@change("/rsvps", forms.RsvpsForm)
def rsvps(event: Gathering, form: forms.RsvpsForm) -> str:
    event.rsvps_open = form.rsvps.data == "open"
    return "opened" if event.rsvps_open else "closed-now"


@change("/guest-link", forms.GuestLinkForm, "share")
def guest_link(event: Gathering, form: forms.GuestLinkForm) -> str:
    """Replaces the guest link or switches it off; the same form twice replaces once, as that link may be sent on."""
    fingerprint, share = security.fingerprint("guest link"), form.link.data == "new"
    if event.guest_link_form != fingerprint:
        event.guest_link_form = fingerprint
        event.share(models.new_token() if share else None)
    return "new-guest-link" if share else "no-guest-link"


@post("/organiser-link")
def organiser_link(token: str) -> Response:
    """Replaces the organiser link. The answer is the only copy of the new one, so the same form leads there again."""
    forms.Form.sent()
    replacement = security.fingerprint("organiser link")[: models.TOKEN_LENGTH]
    event = gatherings.find(LINK, token) or gatherings.lock(LINK, replacement)
    event.organiser_digest = models.digest(replacement)
    session().commit()
    return pages.back(f"/o/{replacement}", "new-organiser-link")


@post("/delete")
def remove_gathering(token: str) -> Response:
    """Deletes the gathering with all that its guests entered, once the organiser has ticked that they mean it."""
    forms.DeleteForm.sent()
    link = models.digest(token)
    if event := gatherings.find(LINK, token):
        session().execute(delete(Gathering).where(Gathering.id == event.id))
        session().merge(RemovedGathering(organiser_digest=link))
    elif session().get(RemovedGathering, link) is None:
        abort(404)
    session().commit()
    return pages.back("/", "deleted")


@change("/dishes", forms.DishForm, "menu")
def add_dish(event: Gathering, form: forms.DishForm) -> str:
    dish = Dish(id=security.id_of_form("dish"), **form.values)
    return "dish-added" if gatherings.add(event, dish) else "full"


@change(f"/dishes/<int(max={MAX_ID}):dish_id>", forms.DishForm, "dish-{dish_id}")
def edit_dish(event: Gathering, form: forms.DishForm, dish_id: int) -> str:
    """Changes a wish, unless somebody else did since the page was opened; a guest's own dish is theirs alone."""
    dish = gatherings.part(event, Dish, Dish.id == dish_id, Dish.own_guest_id.is_(None))
    if dish is None:
        raise RefusedError(form, 404, "That dish is no longer on the list.")
    changes = form.changes(dish)
    if changes and form.edit_version.data not in ("", dish.edit_version):
        raise RefusedError(form, 409, "Somebody changed this dish after you opened the page.")
    if dish.taken > form.wanted.data:
        return "dish-over-claimed"
    for name, value in changes.items():
        setattr(dish, name, value)
    return "saved"


@change(f"/<any(dishes, guests, thanks):kind>/<int(max={MAX_ID}):number>/remove", forms.Form)
def remove_part(event: Gathering, form: forms.Form, kind: str, number: int) -> str:
    """Takes a dish, a guest with their dishes, or a post off the list; done already where it is gone."""
    part = gatherings.part(event, PARTS[kind], PARTS[kind].id == number)
    if part is None:
        return f"{kind}-gone"
    if isinstance(part, Guest):
        gatherings.give_back(part)
    session().delete(part)
    return f"{kind}-removed"


@blueprint.get("/<any(guests, dishes):kind>.csv")
def spreadsheet(token: str, kind: str) -> Response:
    event = gatherings.load(LINK, token)
    return export.guests_csv(event) if kind == "guests" else export.dishes_csv(event)


@blueprint.get("/event.ics")
def calendar(token: str) -> Response:
    return export.calendar(gatherings.load(LINK, token))
