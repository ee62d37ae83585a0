"""The acceptance test, `python -m tests.acceptance URL`, here on both databases."""

import httpx
import pytest

from tests.acceptance import journeys
from tests.acceptance.__main__ import main


@pytest.mark.parametrize("journey", journeys.JOURNEYS, ids=lambda journey: journey.__name__)
def test_journey(journey: object, new_browser: journeys.NewBrowser) -> None:
    assert callable(journey)
    journey(new_browser)


def test_it_fails_where_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:9"]) == 1
    assert "does not answer" in capsys.readouterr().out


def test_it_fails_where_something_else_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[httpx.Request] = []

    def works(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="<h1>It works!</h1>")

    original = journeys.Browser

    def elsewhere(base_url: str, **options: object) -> journeys.Browser:
        return original(base_url, host=str(options["host"]), transport=httpx.MockTransport(works))

    monkeypatch.setattr(journeys, "Browser", elsewhere)
    assert main(["http://elsewhere.test", "--host", "balancer.test"]) == 1
    assert "journey potluck" in capsys.readouterr().out
    assert seen[0].headers["Host"] == "balancer.test"
