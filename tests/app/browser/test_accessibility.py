"""axe-core finds nothing on any page, in either colour scheme."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.acceptance import journeys

pytestmark = pytest.mark.browser

#: The Web Content Accessibility Guidelines 2.2 at level AA, as axe names their rules.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule(
    chromium: Browser, url: str, event: journeys.Gathering, scheme: Literal["light", "dark"]
) -> None:
    guest = journeys.Browser(url)
    journeys.rsvp(guest, event.guest_path, "Zoe", party_size="3")
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    found = []
    for address in (url, f"{url}/new", event.guest_url, event.organiser_url, f"{url}/g/unknown"):
        page.goto(address)
        results = Axe().run(page, options={"runOnly": RULES})
        assert results.response["passes"], "axe looked at nothing"
        found += [
            f"{address}: {one['id']}: {node['html'][:160]} {node['failureSummary']}"
            for one in results.response["violations"]
            for node in one["nodes"]
        ]
    context.close()
    assert found == []
