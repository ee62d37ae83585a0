"""The page of the environments' history in a browser: on a phone, in the dark, without a request to anybody."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline.commands import history as command
from pipeline.releases.desired import Desired
from tests.releases.repository import TEXT
from tests.releases.test_history import HOUR, START, Repository, message, released

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of 300 releases, one in ten of which failed."""
    folder = Path(tmp_path_factory.mktemp("history"))
    repository = Repository(folder / "github.git")
    repository.commit(START, "Start", text=TEXT)
    long = "a subject without an end " * 8 + "x" * 90
    for number in range(1, 301):
        at = START + number * 5 * HOUR
        commit = repository.commit(at, message(long, number, "c" * 40), text=released(number))
        if number % 10 == 0:
            repository.note(commit, "failed")
    repository.ids()
    desired = Desired(str(repository.folder), root=repository.folder)
    found = command.read(desired, ["staging"], START + timedelta(days=70), 90)
    page = folder / "history.html"
    page.write_text(command.page(found, START, where="origin/main"), encoding="utf-8")
    return page.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_and_asks_nobody(
    chromium: Browser, url: str, scheme: str, width: int
) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    assert requests == [url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("tbody tr").count() == 301
    assert page.locator("td span.failed").count() == 30
    assert page.locator("svg rect:not(.failed)").count() == 11
    dark = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert dark == "light dark"
    background = "matchMedia('(prefers-color-scheme: dark)').matches"
    assert page.evaluate(background) is (scheme == "dark")
    mute = page.locator("p.mute").first.evaluate("each => getComputedStyle(each).color")
    assert mute == ("rgb(145, 152, 161)" if scheme == "dark" else "rgb(89, 99, 110)")
    context.close()
