"""Settings of every test run; what the fast tests open must be what runs them."""

import os
import sys
from collections.abc import Iterator

import pytest

from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import affected

#: Tests with one of these marks are not of the stage ``test`` of a pull request.
SLOW = ("engine", "browser", "e2e", "long")

# Git sets these for its hooks: from a hook, a test's own `git` would work on the user's repository.
for name in set(os.environ) - set(git.environment()):
    del os.environ[name]

opened: set[str] = set()
recording = True


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if recording and event == "open" and str(arguments[0]).startswith(f"{ROOT}/"):
        opened.add(str(arguments[0]))


sys.addaudithook(_record)


def pytest_runtest_setup(item: pytest.Item) -> None:
    global recording  # noqa: PLW0603 - an audit hook has no other way to know
    recording = not any(map(item.get_closest_marker, SLOW))


@pytest.fixture(scope="session", autouse=True)
def _every_opened_file_runs_the_tests() -> Iterator[None]:
    """A change of a file that a fast test opens must run the fast tests, by the rules of ``affected.yaml``."""
    yield
    names = {str(path.relative_to(ROOT)) for path in git.files() if str(path) in opened}
    unseen = {name for name in names if "test" not in affected.judge([name], []).stages}
    assert not unseen, f"pipeline/github/affected.yaml: no change of these runs the tests: {unseen}"
