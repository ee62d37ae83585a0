"""Headless Chromium against the running image, or against what answers at APP_URL."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from pipeline.core.waiting import wait
from pipeline.images import app as appimage
from pipeline.targets import web
from tests.acceptance import journeys
from tests.pipeline.images import running

START_SECONDS = 30


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Where the application answers: ``APP_URL``, or the image of this work tree."""
    if given := os.environ.get("APP_URL"):
        yield given.rstrip("/")
        return
    environment = {"SECRET_KEY": "x" * 40, "WRITE_BURST": "0", "DRAIN_SECONDS": "0"}
    with running.container(appimage.build().image_id, environment) as container:
        address = running.url(container)
        ready = wait(lambda: web.is_ready(address), timeout=START_SECONDS)
        assert ready, container.logs().decode()
        yield address


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def scripted(request: pytest.FixtureRequest) -> bool:
    """Whether the visitor's browser runs scripts."""
    return bool(request.param == "with JavaScript")


@pytest.fixture
def page(chromium: Browser, scripted: bool) -> Iterator[Page]:
    """A visitor, who must not meet any error of script or content policy."""
    yield from _visit(chromium, scripted)


@pytest.fixture
def other(chromium: Browser, scripted: bool) -> Iterator[Page]:
    """A second visitor, with cookies of their own."""
    yield from _visit(chromium, scripted)


def _visit(chromium: Browser, scripted: bool) -> Iterator[Page]:
    context = chromium.new_context(
        java_script_enabled=scripted, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def event(url: str) -> journeys.Gathering:
    """A gathering with Turkey (1), Mashed potatoes (2), Pumpkin pie (1)."""
    return journeys.create_gathering(url)
