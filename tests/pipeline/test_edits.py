"""Under Compose the application answers again once the edit that broke it is undone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.core.paths import ROOT

# The environment of the tasks has gunicorn with the packages of an application that it checks.
pytest.importorskip("gunicorn", reason="gunicorn is in the image alone")

#: Seconds until an undone edit must show.
BACK_SECONDS = 10
APP = """
def app(environ, start):
    start("200 OK", [])
    return [b"hello"]
"""


@pytest.fixture
def served(tmp_path: Path, free_port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The image's entrypoint with gunicorn, as Compose runs it, and the address."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "gunicorn.conf.py").write_text(
        "reload = True\ngraceful_timeout = 1\n", encoding="utf-8"
    )
    address = f"127.0.0.1:{free_port}"
    gunicorn = (sys.executable, "-m", "gunicorn", "--bind", address, "--workers", "2", "app:app")
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, ROOT / "server" / "start.py", *gunicorn],
            cwd=tmp_path,
            env=os.environ | {"ENVIRONMENT": "development"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield server, f"http://{address}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # gunicorn and its workers as well
        server.wait()


def until(answers: bool, url: str) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        try:
            answered = httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            answered = False
        if answered == answers:
            return
        time.sleep(0.1)
    raise AssertionError(f"after {BACK_SECONDS} s it {'does not answer' if answers else 'answers'}")


@pytest.mark.parametrize("broken", ["undefined_name", "import missing_module", "def ("])
def test_an_edit_that_breaks_it_can_be_undone(
    served: tuple[subprocess.Popen[bytes], str], tmp_path: Path, broken: str
) -> None:
    server, url = served
    until(True, url)
    (tmp_path / "app.py").write_text(broken, encoding="utf-8")
    until(False, url)
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    until(True, url)
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=BACK_SECONDS) == 0


def test_what_no_edit_has_ended_is_not_started_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "server" / "start.py", sys.executable, "-c", "raise SystemExit(3)"],
        cwd=tmp_path,
        env=os.environ | {"ENVIRONMENT": "development"},
        timeout=BACK_SECONDS,
        check=False,
    )
    assert done.returncode == 3
