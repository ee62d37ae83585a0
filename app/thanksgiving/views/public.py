"""The front page and the form that starts a gathering."""

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from thanksgiving import security
from thanksgiving.db import session
from thanksgiving.forms import NewForm, RefusedError
from thanksgiving.gatherings import new_gathering
from thanksgiving.models import TOKEN_LENGTH, Gathering, digest
from thanksgiving.observability import GATHERINGS
from thanksgiving.pages import back, page

blueprint = Blueprint("public", __name__)


@blueprint.get("/")
def home() -> Response:
    return page("home.html")


@blueprint.get("/new")
def new() -> Response:
    return page("new.html", form=NewForm(None, time="15:00", timezone="America/New_York"))


@blueprint.errorhandler(RefusedError)
def again(refused: RefusedError) -> Response:
    """The form with what was typed."""
    return page("new.html", refused, form=refused.form)


@blueprint.post("/new")
def create() -> Response:
    """Creates the gathering and goes to the organiser's page; the same form twice leads to the same gathering."""
    form = NewForm.sent()
    token = security.fingerprint("organiser")[:TOKEN_LENGTH]
    rows = select(Gathering.id).where(Gathering.organiser_digest == digest(token))
    if not session().scalar(rows):
        session().add(new_gathering(token, form.wishes, **form.values))
        try:
            session().commit()
            GATHERINGS.inc()
        except IntegrityError:  # the same form arrived at the same moment
            session().rollback()
            if not session().scalar(rows):
                raise
    return back(f"/o/{token}", "created")
