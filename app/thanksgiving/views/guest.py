"""What a guest sees and does, behind the guest link. No account: the visitor's cookie ties changes to their browser."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort
from sqlalchemy import update

from thanksgiving import export, forms, gatherings, observability, pages, security
from thanksgiving.db import session
from thanksgiving.models import MAX_ID, Claim, Dish, Gathering, Gratitude, Guest, new_id

blueprint = Blueprint("guest", __name__, url_prefix="/g/<token>")

LINK = Gathering.guest_digest
DISH = f"/dishes/<int(max={MAX_ID}):dish_id>"
#: The part of the page that a notice leads to, where it is not the part with the form.
ANCHORS = {"coming": "menu", "say-you-come": "rsvp", "wall-closed": "rsvp"}


@blueprint.get("")
def gathering(token: str) -> Response:
    return _page(token)


def _page(token: str, refused: forms.RefusedError | None = None) -> Response:
    event, visitor = gatherings.load(LINK, token), security.visitor()
    me = next((guest for guest in event.guests if guest.visitor == visitor), None)
    shown: dict[str, forms.Form] = {
        "rsvp": forms.RsvpForm(None, obj=me),
        "own": forms.OwnDishForm(None, category="sides"),
        "thanks": forms.ThanksForm(None),
    }
    if refused:
        same = (name for name, form in shown.items() if type(form) is type(refused.form))
        shown.update(dict.fromkeys(same, refused.form))
    return pages.page("guest.html", refused, event=event, me=me, **shown)


def change(rule: str, form_type: type[forms.Form], anchor: str) -> Callable[..., Any]:
    """Registers what a form changes: a function of the locked gathering, the visitor's answer and form, to a notice."""

    def register(view: Callable[..., str]) -> Callable[..., str]:
        @blueprint.post(rule, endpoint=view.__name__)
        def checked(token: str, **ids: int) -> Response:
            try:
                form = form_type.sent()
            except forms.RefusedError as refused:
                return _page(token, refused)
            event = gatherings.lock(LINK, token)
            if not event.rsvps_open and "dish" not in anchor:
                abort(403, "The organiser has closed RSVPs; please ask them directly.")
            me = gatherings.part(event, Guest, Guest.visitor == security.visitor())
            notice = view(event, me, form, **ids) if event.rsvps_open else "closed"
            session().commit()
            if "dish" in anchor:
                observability.CLAIMS.labels(notice).inc()
            return pages.back(f"/g/{token}", notice, ANCHORS.get(notice, anchor.format(**ids)))

        return view

    return register


@change("/rsvp", forms.RsvpForm, "top")
def rsvp(event: Gathering, me: Guest | None, form: forms.RsvpForm) -> str:
    """Records or changes the answer; who does not come gives back their dishes."""
    me = me or Guest(id=new_id(), visitor=security.visitor())
    for column, value in {**form.values, "attending": form.attending.data == "yes"}.items():
        setattr(me, column, value)
    if not gatherings.add(event, me):
        return "full"
    observability.RSVPS.labels(form.attending.data).inc()
    if me.attending:
        return "coming"
    return "given-back" if gatherings.give_back(me) else "not-coming"


@change(f"{DISH}/claim", forms.ClaimForm, "dish-{dish_id}")
def claim(event: Gathering, me: Guest | None, form: forms.ClaimForm, dish_id: int) -> str:
    """Makes the visitor bring exactly so many portions, so that pressing twice claims once."""
    return _bring(event, me, dish_id, form.portions.data)


@change(f"{DISH}/release", forms.Form, "dish-{dish_id}")
def release(event: Gathering, me: Guest | None, form: forms.Form, dish_id: int) -> str:
    """Gives a dish back; a dish of one's own leaves the list."""
    return _bring(event, me, dish_id, 0)


def _bring(event: Gathering, me: Guest | None, dish_id: int, portions: int) -> str:
    dish = gatherings.part(event, Dish, Dish.id == dish_id)
    if dish is None or (dish.own_guest_id and portions):
        return "gone"
    if me is None or not me.attending:
        return "say-you-come"
    held = session().get(Claim, (dish.id, me.id))
    more = portions - (held.portions if held else 0)
    if more == 0:
        return "unchanged"
    if dish.own_guest_id:
        session().delete(dish)
        return "released"
    # Condition and change are one statement, and a CHECK constraint stands behind it.
    taken = update(Dish).where(Dish.id == dish.id, Dish.taken + more <= Dish.wanted)
    if not session().scalar(taken.values(taken=Dish.taken + more).returning(Dish.id)):
        return "taken"
    if portions == 0:
        session().delete(held)
    else:
        session().merge(Claim(dish_id=dish.id, guest_id=me.id, portions=portions))
    return "claimed" if portions else "released"


@change("/dishes", forms.OwnDishForm, "dishes")
def bring_own(event: Gathering, me: Guest | None, form: forms.OwnDishForm) -> str:
    """Adds a dish that nobody asked for, claimed by its guest."""
    if me is None or not me.attending:
        return "say-you-come"
    portions = form.wanted.data
    dish = Dish(id=security.id_of_form("dish"), own_guest_id=me.id, taken=portions, **form.values)
    dish.claims = [Claim(guest_id=me.id, portions=portions)]
    return "added" if gatherings.add(event, dish) else "full"


@change("/thanks", forms.ThanksForm, "wall")
def give_thanks(event: Gathering, me: Guest | None, form: forms.ThanksForm) -> str:
    if me is None:
        return "wall-closed"
    post = Gratitude(id=security.id_of_form("thanks"), guest_id=me.id, text=form.text.data)
    if not gatherings.add(event, post):
        return "full"
    observability.THANKS.inc(post in session())
    return "thanked"


@change(f"/thanks/<int(max={MAX_ID}):post_id>/remove", forms.Form, "wall")
def withdraw_thanks(event: Gathering, me: Guest | None, form: forms.Form, post_id: int) -> str:
    post = gatherings.part(event, Gratitude, Gratitude.id == post_id)
    if me is None or (post and post.guest_id != me.id):
        abort(404)
    if post is None:
        return "thanks-gone"
    session().delete(post)
    return "thanks-removed"


@blueprint.get("/event.ics")
def calendar(token: str) -> Response:
    return export.calendar(gatherings.load(LINK, token))
