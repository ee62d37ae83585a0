"""The acceptance test, `python -m tests.acceptance URL`, here on both databases."""

import httpx
import pytest

from tests.acceptance import journeys
from tests.acceptance.__main__ import main


@pytest.mark.parametrize("journey", journeys.JOURNEYS, ids=lambda journey: journey.__name__)
def test_journey(journey: object, new_browser: journeys.NewBrowser) -> None:
    assert callable(journey)
    journey(new_browser)


def test_it_fails_where_nobody_answers() -> None:
    assert "does not answer" in main(["http://127.0.0.1:9"])


def test_it_fails_where_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []

    def works(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="<h1>It works!</h1>")

    original = journeys.Browser

    def elsewhere(base_url: str, **options: object) -> journeys.Browser:
        return original(base_url, host=str(options["host"]), transport=httpx.MockTransport(works))

    monkeypatch.setattr(journeys, "Browser", elsewhere)
    assert "journey potluck" in main(["http://elsewhere.test", "--host", "balancer.test"])
    assert seen[0].headers["Host"] == "balancer.test"
