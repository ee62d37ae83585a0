"""The front page and the form that starts a gathering."""

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response as AnyResponse

from thanksgiving import security
from thanksgiving.db import database
from thanksgiving.forms import NewForm
from thanksgiving.gatherings import new_gathering
from thanksgiving.models import Gathering, digest
from thanksgiving.observability import GATHERINGS
from thanksgiving.pages import back, page

blueprint = Blueprint("public", __name__)


@blueprint.get("/")
def home() -> Response:
    """What this is, and a button to start."""
    return page("home.html")


@blueprint.get("/new")
def new() -> Response:
    """The form for a new gathering."""
    return page("new.html", form=NewForm(None, time="15:00", timezone="America/New_York"))


@blueprint.post("/new")
def create() -> AnyResponse:
    """Creates the gathering and goes to the organiser's page; the same form twice leads to the same gathering."""
    form = NewForm()
    if not form.validate():
        return page("new.html", status=form.refusal, form=form)
    token, link = security.token_of_form("organiser"), Gathering.organiser_digest
    for last in (False, True):
        try:
            with database().write() as session:
                if not session.scalar(select(Gathering.id).where(link == digest(token))):
                    session.add(new_gathering(token, form.wishes, **form.details))
                    GATHERINGS.inc()
            break
        except IntegrityError:  # the same form arrived at the same moment
            if last:
                raise
    return back(f"/o/{token}", "created")
