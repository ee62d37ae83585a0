"""The journeys that `./inv verify --journeys` does against any target, here on both databases."""

import httpx
import pytest

from pipeline.core.errors import PipelineError
from pipeline.targets import journeys, web


@pytest.mark.parametrize("journey", journeys.JOURNEYS, ids=lambda one: one.__name__)
def test_journey(journey: object, new_browser: journeys.NewBrowser) -> None:
    assert callable(journey)
    journey(new_browser)


def test_a_journey_fails_where_nobody_answers() -> None:
    with pytest.raises(PipelineError, match="does not answer"):
        journeys.run("http://127.0.0.1:9")


def test_a_journey_fails_where_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    other = httpx.MockTransport(lambda _request: httpx.Response(200, text="<h1>It works!</h1>"))
    original = journeys.Browser

    def elsewhere(base_url: str, *, via: web.Via | None = None) -> journeys.Browser:
        return original(base_url, via=via, transport=other)

    monkeypatch.setattr(journeys, "Browser", elsewhere)
    with pytest.raises(PipelineError, match="journey potluck"):
        journeys.run("http://elsewhere.test")
