"""Live editing under Compose, in a scratch clone: edits show without a rebuild, and down removes all of it."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e import checkout as scratch
from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.engine

#: Seconds until an edit must show; gunicorn looks once a second.
RELOAD_SECONDS = 10
START = """
from pipeline.releases import environments
from pipeline.targets import compose
local = environments.load("local")
compose.prepare(local)
compose.deliver(local)
compose.verify(local)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A clone whose compose target is up."""
    made = scratch.make(Path(tmp_path_factory.mktemp("compose")) / "clone")
    made.inv("build")
    _start(made)
    yield made
    made.inv("down")
    assert scratch.containers(made) == []


def _start(clone: Checkout) -> None:
    subprocess.run(
        [clone.folder / ".local" / "venv" / "bin" / "python", "-c", START],
        cwd=clone.folder,
        env=clone.environ(),
        check=True,
    )


def _await(url: str, text: str) -> None:
    deadline = time.monotonic() + RELOAD_SECONDS
    seen = ""
    while time.monotonic() < deadline:
        try:
            seen = httpx.get(url, timeout=5).text
        except httpx.HTTPError as error:  # a worker is being replaced
            seen = repr(error)
        if text in seen:
            return
        time.sleep(0.1)
    raise AssertionError(f"{text!r} did not show within {RELOAD_SECONDS} s: {seen[:300]}")


@pytest.fixture
def url(clone: Checkout) -> str:
    """Where it answers."""
    target = clone.status()["compose"]
    assert target["healthy"]
    assert target["replicas"] == 1
    return str(target["url"])


def test_an_edit_to_a_template_shows(clone: Checkout, url: str) -> None:
    clone.edit("app/thanksgiving/templates/home.html", "<h1>", "<h1>Edited just now. ")
    _await(url, "Edited just now.")


def test_an_edit_to_a_view_shows(clone: Checkout, url: str) -> None:
    clone.edit(
        "app/thanksgiving/views/public.py",
        r'return page\("home.html"\)',
        'return Response("<!-- viewed -->")',
    )
    _await(url, "<!-- viewed -->")


def unreadable(view: Path) -> None:
    view.chmod(0o600)


def undefined(view: Path) -> None:
    view.write_text("undefined_name\n", encoding="utf-8")


@pytest.mark.parametrize("broken", [unreadable, undefined])
def test_an_edit_that_breaks_it_can_be_undone(
    clone: Checkout, url: str, broken: Callable[[Path], None]
) -> None:
    view = clone.folder / "app/thanksgiving/views/public.py"
    text, mode = view.read_text(encoding="utf-8"), view.stat().st_mode
    broken(view)
    view.touch()
    _await(url, "Error(")
    view.chmod(mode)
    view.write_text(text, encoding="utf-8")
    _await(url, "<")


def test_what_the_container_logs_is_printed_as_elsewhere(clone: Checkout, url: str) -> None:
    printed = clone.inv("logs", "--to", "compose", "--since", "1h").stdout
    assert re.search(r"^\d\d:\d\d:\d\d \S{1,8} \S", printed, re.MULTILINE), printed


def test_exec_open_and_events_work_as_elsewhere(clone: Checkout, url: str) -> None:
    ended = clone.inv("exec", "python -c 'print(6*7); exit(3)'", "--to", "compose", check=False)
    assert (ended.stdout.split(), ended.returncode) == (["42"], 3), ended.stderr
    assert clone.inv("open", "--to", "compose").stdout.split() == [url]
    assert " start " in clone.inv("events", "--to", "compose", "--since", "1h").stdout


def test_starting_it_again_changes_nothing(clone: Checkout, url: str) -> None:
    clone.restore()  # what was edited above would be another image
    before = scratch.containers(clone)
    _start(clone)
    assert scratch.containers(clone) == before
    assert httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK
