"""The pictures in docs/screenshots; `SCREENSHOTS=1` takes them anew, otherwise they only have to be there."""

import os

import pytest
from playwright.sync_api import Browser

from tests.app.browser.conftest import SCREENSHOTS

pytestmark = pytest.mark.browser
PICTURES = ("home", "guest", "organiser", "guest-phone-dark")


def test_the_pictures_are_there() -> None:
    assert {file.stem for file in SCREENSHOTS.glob("*.png")} == set(PICTURES)


@pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="takes pictures only when asked")
def test_take_the_pictures(chromium: Browser) -> None:
    url = os.environ["APP_URL"]
    organiser, guest = os.environ["SCREENSHOTS"].split()
    for name, path in (("home", "/"), ("guest", guest), ("organiser", organiser)):
        page = chromium.new_page(viewport={"width": 1200, "height": 1100})
        page.goto(url + path)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")
        page.close()
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.goto(url + guest)
    page.screenshot(path=SCREENSHOTS / "guest-phone-dark.png")
    context.close()
