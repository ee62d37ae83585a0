"""The journeys of organiser and guest in a real browser, with and without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance import journeys

pytestmark = pytest.mark.browser


def answer(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("How many", exact=True).first.fill("2")
    page.get_by_text("Vegan", exact=True).click()
    page.get_by_role("button", name="Send my answer").click()
    expect(page.locator("#notice")).to_contain_text("you are on the list")


def test_organiser_plans_and_guest_answers(page: Page, other: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="Plan a gathering").click()
    page.get_by_label("What are you celebrating?").fill("Dinner at ours")
    page.get_by_label("Date").fill("2026-11-26")
    page.get_by_label("Time", exact=True).fill("16:30")
    page.get_by_label("Place").fill("Our place")
    page.get_by_role("button", name="Create the gathering").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dinner at ours")
    expect(page.locator("#menu")).to_contain_text("Roast turkey")
    link = url + (page.locator("#guest-link").get_attribute("data-path") or "")
    answer(other, link, "Ann")
    other.get_by_role("button", name="I bring Roast turkey").click()
    expect(other.locator("#notice")).to_contain_text("yours to bring")
    expect(other.get_by_role("button", name="Give back Roast turkey")).to_be_visible()
    page.reload()
    expect(page.locator("#head-count")).to_have_text("2")
    expect(page.locator("#guests")).to_contain_text("vegan")


def test_the_last_portion_goes_to_one(page: Page, other: Page, event: journeys.Gathering) -> None:
    answer(page, event.guest_url, "Ann")
    answer(other, event.guest_url, "Bob")
    page.get_by_role("button", name="I bring Pumpkin pie").click()
    expect(page.get_by_role("button", name="Give back Pumpkin pie")).to_be_visible()
    # Bob's page may still offer it, or have learned already that it is gone.
    late = other.get_by_role("button", name="I bring Pumpkin pie")
    if late.is_visible():
        late.click()
        expect(other.locator("#notice")).to_contain_text("a moment quicker")
    expect(other.locator("#menu")).to_contain_text("1 of 1")
    page.get_by_role("button", name="Give back Pumpkin pie").click()
    expect(page.locator("#notice")).to_contain_text("Given back")


def test_a_guest_brings_something_and_gives_thanks(page: Page, event: journeys.Gathering) -> None:
    answer(page, event.guest_url, "Ann")
    page.get_by_label("What is it?").fill("Cornbread")
    page.get_by_role("button", name="Add to the menu").click()
    expect(page.locator("#menu")).to_contain_text("Cornbread")
    page.get_by_label("What are you grateful for?").fill("For this table <b>")
    page.get_by_role("button", name="Put it on the wall").click()
    expect(page.locator("#posts")).to_contain_text("For this table <b>")


def test_the_table_fills_up_while_you_look(
    page: Page, scripted: bool, event: journeys.Gathering, url: str
) -> None:
    if not scripted:
        pytest.skip("live updates need JavaScript")
    page.goto(event.guest_url)
    expect(page.locator("#head-count")).to_have_text("0")
    journeys.rsvp(journeys.Browser(url), event.guest_path, "Zoe", party_size="7")
    expect(page.locator("#head-count")).to_have_text("7", timeout=15_000)
    expect(page.locator("#coming")).to_contain_text("Zoe")


def test_everything_can_be_reached_by_keyboard(page: Page, event: journeys.Gathering) -> None:
    page.goto(event.guest_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    unlabelled = page.locator(
        "input:not([type=hidden]):not([aria-label]), select:not([aria-label]), textarea"
    )
    for field in unlabelled.all():
        name = field.get_attribute("id")
        labelled = page.locator(f"label[for='{name}']").count() if name else 0
        assert labelled or field.locator("xpath=ancestor::label").count(), field.evaluate(
            "one => one.outerHTML"
        )


def test_a_phone_needs_no_sideways_scrolling(
    page: Page, event: journeys.Gathering, url: str
) -> None:
    for address in (url, f"{url}/new", event.guest_url, event.organiser_url):
        page.goto(address)
        box = page.locator("html").bounding_box()
        main = page.locator("main").bounding_box()
        assert box
        assert main
        assert main["width"] <= 390
        assert box["width"] <= 390
