"""What a guest sees and does, behind the guest link.

No account: the signed visitor cookie ties changes to their browser.
"""

from flask import Blueprint, Response, abort, current_app, request

from thanksgiving import claims, export, guests, metrics, pages, security, wall
from thanksgiving.claims import Outcome, RefusedError
from thanksgiving.models import MAX_ID
from thanksgiving.snapshot import Snapshot
from thanksgiving.validation import CATEGORIES, MAX_PARTY, MAX_WANTED, Form, Wish

blueprint = Blueprint("guest", __name__, url_prefix="/g/<token>")

DISH = f"/dishes/<int(max={MAX_ID}):dish_id>"


def load(token: str) -> Snapshot:
    """The gathering of a guest link; NotFoundError for any other text."""
    return pages.snapshots().for_guest(token)


@blueprint.get("")
def gathering(token: str) -> Response:
    """The page that guests open."""
    return _page(load(token))


def _page(snapshot: Snapshot) -> Response:
    me = snapshot.by_visitor.get(security.visitor(current_app))
    return pages.guest_page(snapshot, me)


@blueprint.post("/rsvp")
def rsvp(token: str) -> Response:
    """Records or changes the answer."""
    form = Form(request.form)
    attending = form.choice("attending", "Are you coming", ("yes", "no")) == "yes"
    given = guests.Answer(
        name=form.text("name", "Your name", 80, required=True),
        attending=attending,
        party_size=form.number("party_size", "The number of people", 1, MAX_PARTY, default=1),
        vegetarian=form.flag("vegetarian"),
        vegan=form.flag("vegan"),
        gluten_free=form.flag("gluten_free"),
        nuts=form.flag("nuts"),
        dietary_note=form.text("dietary_note", "What else to know", 300),
    )
    if form.errors:
        return _refuse(token, form)
    visitor = security.visitor(current_app)
    try:
        given_back = pages.database().write(
            lambda connection: guests.answer(connection, token, visitor, given)
        )
    except guests.ListFullError:
        return _back(token, "full")
    metrics.RSVPS.labels("yes" if attending else "no").inc()
    if attending:
        return _back(token, "coming", "menu")
    return _back(token, "given-back" if given_back else "not-coming")


@blueprint.post(f"{DISH}/claim")
def claim(token: str, dish_id: int) -> Response:
    """Claims portions of a dish."""
    form = Form(request.form)
    portions = form.number("portions", "The number of portions", 1, MAX_WANTED, default=1)
    if form.errors:
        return _refuse(token, form)
    visitor = security.visitor(current_app)
    try:
        outcome = claims.claim(pages.database(), token, visitor, dish_id, portions)
    except RefusedError as refused:
        outcome = refused.outcome
    metrics.claims(outcome).inc()
    return _after(token, outcome, dish_id)


@blueprint.post(f"{DISH}/release")
def release(token: str, dish_id: int) -> Response:
    """Gives a dish back."""
    visitor = security.visitor(current_app)
    try:
        outcome = claims.release(pages.database(), token, visitor, dish_id)
    except RefusedError as refused:
        outcome = refused.outcome
    metrics.claims(outcome).inc()
    return _after(token, outcome, dish_id)


@blueprint.post("/dishes")
def bring_own(token: str) -> Response:
    """Adds a dish that nobody asked for."""
    form = Form(request.form)
    wish = Wish(
        form.choice("category", "The category", CATEGORIES),
        form.text("name", "The dish", 80, required=True),
        form.number("portions", "The number of portions", 1, MAX_WANTED, default=1),
    )
    if form.errors:
        return _refuse(token, form)
    visitor = security.visitor(current_app)
    try:
        outcome = pages.database().write(
            lambda connection: claims.bring_own(connection, token, visitor, wish)
        )
    except RefusedError as refused:
        outcome = refused.outcome
    metrics.claims(outcome).inc()
    return _after(token, outcome)


@blueprint.post("/thanks")
def give_thanks(token: str) -> Response:
    """Posts to the gratitude wall."""
    form = Form(request.form)
    text = form.text("text", "What you are grateful for", 500, required=True, lines=True)
    if form.errors:
        return _refuse(token, form)
    visitor = security.visitor(current_app)
    try:
        pages.database().write(lambda connection: wall.post(connection, token, visitor, text))
    except wall.UnknownGuestError:
        return _back(token, "wall-closed", "rsvp")
    except guests.ListFullError:
        return _back(token, "full", "wall")
    metrics.THANKS.inc()
    return _back(token, "thanked", "wall")


@blueprint.post(f"/thanks/<int(max={MAX_ID}):post_id>/remove")
def withdraw_thanks(token: str, post_id: int) -> Response:
    """Takes down one's own post."""
    visitor = security.visitor(current_app)
    try:
        pages.database().write(
            lambda connection: wall.withdraw(connection, token, visitor, post_id)
        )
    except wall.UnknownGuestError:
        abort(404)
    return _back(token, "thanks-removed", "wall")


@blueprint.get("/event.ics")
def calendar(token: str) -> Response:
    """The event for the guest's calendar."""
    url = f"{request.host_url.rstrip('/')}/g/{token}"
    return pages.download(export.calendar(load(token), url), "text/calendar", "thanksgiving.ics")


def _after(token: str, outcome: Outcome, dish_id: int | None = None) -> Response:
    if outcome is Outcome.NOT_COMING:
        return _back(token, "say-you-come", "rsvp")
    return _back(token, outcome.value, f"dish-{dish_id}" if dish_id else "menu")


def _back(token: str, notice: str, anchor: str = "top") -> Response:
    return Response(status=303, headers={"Location": f"/g/{token}?notice={notice}#{anchor}"})


def _refuse(token: str, form: Form) -> Response:
    """The page again with what was wrong, for a form that the browser itself would not have sent."""
    response = _page(load(token))
    sentence = " ".join(form.errors.values())
    response.set_data(
        response.get_data(as_text=True).replace(
            pages.notice_html(pages.notice()), pages.notice_html(("bad", sentence)), 1
        )
    )
    response.headers.pop("ETag", None)
    response.status_code = 422
    return response
