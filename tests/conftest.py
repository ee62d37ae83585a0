"""Settings of every test run; what a group of fast tests opens must be among its inputs."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Before anything of ours is imported, and for every program that a test starts: a task that a test runs reports neither
# to the job that runs the test nor to the comment of its pull request.
os.environ["TESTED_CHECKOUT"] = str(Path(__file__).resolve().parents[1])
for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_JOB"):
    os.environ.pop(name, None)

from pipeline.core.paths import ROOT  # noqa: E402
from pipeline.git import groups  # noqa: E402
from pipeline.git import repository as git  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Tests with one of these marks are of no group.
SLOW = ("engine", "browser", "e2e", "long")
BROWSER_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

# Git sets these for its hooks: from a hook, a test's own `git` would work on the user's repository.
for name in set(os.environ) - set(git.environment()):
    del os.environ[name]

opened: set[Path] = set()
recording = True


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    """Notes what this process opens, and which paths it hands to the programs that it starts."""
    if not recording or event not in ("open", "subprocess.Popen"):
        return
    # A relative name is of a folder that the event of an opening does not have.
    folder = "/" if event == "open" else os.fsdecode(arguments[2] or "")
    for word in arguments[:1] if event == "open" else arguments[1]:
        if isinstance(word, (str, bytes, os.PathLike)):
            path = os.path.abspath(os.path.join(folder, os.fsdecode(word)))  # noqa: PTH100, PTH118 - of every opened file
            if path.startswith(f"{ROOT}/"):
                opened.add(Path(path))


sys.addaudithook(_record)


def pytest_runtest_setup(item: pytest.Item) -> None:
    global recording  # noqa: PLW0603 - an audit hook has no other way to know
    recording = not any(map(item.get_closest_marker, SLOW))


@pytest.fixture(scope="session", autouse=True)
def _a_group_opens_its_inputs_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a group opens is among its inputs in ``tools/tests.yaml``: a change of it runs the group."""
    global recording  # noqa: PLW0603
    yield
    recording = False
    session = {item.path for item in request.session.items}
    chosen = [group for group in groups.load() if session & set(group.tests)]
    inputs = {path for group in chosen for path in group.inputs}
    handed = {_source(path) for path in opened}
    unseen = [
        str(path.relative_to(ROOT))
        for path in git.files()
        if path not in inputs and (path in handed or handed & set(path.parents) - {ROOT})
    ]
    names = ", ".join(group.name for group in chosen)
    assert not unseen, f"{groups.TABLE}: no change of these runs the group {names}: {unseen}"


def _source(path: Path) -> Path:
    """The module of a file of bytecode; other paths as they are."""
    if path.parent.name != "__pycache__":
        return path
    return path.parent.parent / f"{path.name.partition('.')[0]}.py"


def chromium_program() -> str:
    """The path of the system's Chromium."""
    # Only what the browser tests need: everything above is an input of every group.
    from pipeline.commands.test import BROWSERS  # noqa: PLC0415

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise RuntimeError("no Chromium for the browser tests: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """The system's Chromium; one for all, since a process can have no second Playwright beside the first."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=BROWSER_FLAGS)
        yield browser
        browser.close()
