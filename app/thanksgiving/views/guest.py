"""What a guest sees and does, behind the guest link. No account: the visitor cookie ties changes to their browser.

The last portion of a dish goes to one guest only, however many ask at once.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort, request
from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from thanksgiving import export, forms, gatherings, observability, pages, security
from thanksgiving.db import database
from thanksgiving.models import MAX_ID, Claim, Dish, Gathering, Gratitude, Guest

blueprint = Blueprint("guest", __name__, url_prefix="/g/<token>")

LINK = Gathering.guest_digest
DISH = f"/dishes/<int(max={MAX_ID}):dish_id>"
POST = f"/thanks/<int(max={MAX_ID}):post_id>"
CLOSED = "The organiser has closed RSVPs; please ask them directly."
#: The part of the page that a notice leads to, where it is not the part with the form.
ANCHORS = {"coming": "menu", "say-you-come": "rsvp", "wall-closed": "rsvp"}


@blueprint.get("")
def gathering(token: str) -> Response:
    """The page that guests open."""
    return _page(token)


def _page(token: str, refused: forms.Form | None = None) -> Response:
    """The guest page; with a refused form, it holds what was typed and why it was refused."""
    event, visitor = gatherings.load(LINK, token), security.visitor()
    me = next((guest for guest in event.guests if guest.visitor == visitor), None)
    shown: dict[str, forms.Form] = {
        "rsvp": forms.RsvpForm.of(me),
        "own": forms.OwnDishForm(None, category="sides"),
        "thanks": forms.ThanksForm(None),
    }
    shown |= {name: refused for name, form in shown.items() if type(refused) is type(form)}
    status, problem = (refused.refusal, refused.problems) if refused else (200, "")
    return pages.page("guest.html", status=status, event=event, me=me, problem=problem, **shown)


def change(rule: str, form_type: type[forms.Form], anchor: str) -> Callable[..., Any]:
    """Registers what a form changes: a function of session, gathering, the visitor's answer and form, to a notice.

    While it runs, the gathering is locked. RSVPs that are closed refuse all of it.
    """

    def register(view: Callable[..., str]) -> Callable[..., AnyResponse]:
        @blueprint.post(rule)
        @wraps(view)
        def checked(token: str, **ids: int) -> AnyResponse:
            form = form_type()
            if not form.validate():
                return _page(token, form)
            with database().write() as session:
                event = gatherings.lock(session, LINK, token)
                if not event.rsvps_open and anchor != "dish":
                    abort(403, CLOSED)
                me = gatherings.part(session, event, Guest, Guest.visitor == security.visitor())
                notice = view(session, event, me, form, **ids) if event.rsvps_open else "closed"
            if anchor == "dish":
                observability.CLAIMS.labels(notice).inc()
            part = f"dish-{ids['dish_id']}" if "dish_id" in ids else anchor
            return pages.back(f"/g/{token}", notice, ANCHORS.get(notice, part))

        return checked

    return register


@change("/rsvp", forms.RsvpForm, "top")
def rsvp(session: Session, event: Gathering, me: Guest | None, form: forms.RsvpForm) -> str:
    """Records or changes the answer; who does not come gives back their dishes."""
    if me is None:
        if gatherings.is_full(session, event, Guest):
            return "full"
        me = Guest(gathering_id=event.id, visitor=security.visitor())
        session.add(me)
    form.populate(me)
    observability.RSVPS.labels(form.attending.data).inc()
    if me.attending:
        return "coming"
    session.flush()
    return "given-back" if gatherings.give_back(session, me) else "not-coming"


@change(f"{DISH}/claim", forms.ClaimForm, "dish")
def claim(
    session: Session, event: Gathering, me: Guest | None, form: forms.ClaimForm, dish_id: int
) -> str:
    """Makes the visitor bring exactly so many portions, so that pressing twice claims once."""
    dish = gatherings.part(session, event, Dish, Dish.id == dish_id, Dish.own_guest_id.is_(None))
    if dish is None or me is None or not me.attending:
        return "say-you-come" if dish else "gone"
    held, portions = session.get(Claim, (dish.id, me.id)), form.portions.data
    if held and held.portions == portions:
        return "unchanged"
    if not _take(session, dish, portions - (held.portions if held else 0)):
        return "taken"
    session.merge(Claim(dish_id=dish.id, guest_id=me.id, portions=portions))
    return "claimed"


def _take(session: Session, dish: Dish, portions: int) -> bool:
    """Counts portions as taken; False where fewer are left.

    Condition and change are one statement, and a CHECK constraint stands behind it.
    """
    is_enough = Dish.taken + portions <= Dish.wanted
    taken = update(Dish).where(Dish.id == dish.id, is_enough).values(taken=Dish.taken + portions)
    return session.scalar(taken.returning(Dish.id)) is not None


@change(f"{DISH}/release", forms.Form, "dish")
def release(
    session: Session, event: Gathering, me: Guest | None, form: forms.Form, dish_id: int
) -> str:
    """Gives a dish back; a dish of one's own leaves the list."""
    dish = gatherings.part(session, event, Dish, Dish.id == dish_id)
    if dish is None or me is None or not me.attending:
        return "say-you-come" if dish else "gone"
    held = session.get(Claim, (dish.id, me.id))
    if held is None:
        return "unchanged"
    if dish.own_guest_id is not None:
        session.execute(delete(Dish).where(Dish.id == dish.id))
    else:
        _take(session, dish, -held.portions)
        session.delete(held)
    return "released"


@change("/dishes", forms.OwnDishForm, "dish")
def bring_own(session: Session, event: Gathering, me: Guest | None, form: forms.OwnDishForm) -> str:
    """Adds a dish that nobody asked for, claimed by its guest; the same form twice adds one."""
    number = security.id_of_form("dish")
    if me is None or not me.attending:
        return "say-you-come"
    if gatherings.part(session, event, Dish, Dish.id == number):
        return "added"
    if gatherings.is_full(session, event, Dish):
        return "full"
    dish = Dish(id=number, gathering_id=event.id, own_guest_id=me.id, **form.wish)
    dish.taken = dish.wanted
    dish.claims = [Claim(guest_id=me.id, portions=dish.wanted)]
    session.add(dish)
    return "added"


@change("/thanks", forms.ThanksForm, "wall")
def give_thanks(
    session: Session, event: Gathering, me: Guest | None, form: forms.ThanksForm
) -> str:
    """Posts to the gratitude wall; the same form twice posts once."""
    number = security.id_of_form("thanks")
    if me is None:
        return "wall-closed"
    if gatherings.part(session, event, Gratitude, Gratitude.id == number):
        return "thanked"
    if gatherings.is_full(session, event, Gratitude):
        return "full"
    session.add(Gratitude(id=number, gathering_id=event.id, guest_id=me.id, text=form.text.data))
    observability.THANKS.inc()
    return "thanked"


@change(f"{POST}/remove", forms.Form, "wall")
def withdraw_thanks(
    session: Session, event: Gathering, me: Guest | None, form: forms.Form, post_id: int
) -> str:
    """Takes down one's own post."""
    post = gatherings.part(session, event, Gratitude, Gratitude.id == post_id)
    if me is None or (post and post.guest_id != me.id):
        abort(404)
    if post is None:
        return "thanks-gone"
    session.delete(post)
    return "thanks-removed"


@blueprint.get("/event.ics")
def calendar(token: str) -> Response:
    """The event for the guest's calendar."""
    content = export.calendar(gatherings.load(LINK, token), f"{request.host_url}g/{token}")
    return pages.download(content, "text/calendar", "thanksgiving.ics")
