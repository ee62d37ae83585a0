"""The image of `./inv dev` runs the application again at each SIGHUP, and outlives an edit that breaks it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.commands import dev
from pipeline.core.waiting import wait

#: Says that it runs, then waits for the signal that ends it.
SERVER = "import signal; print('serving', flush=True); signal.pause()"


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The file that an entrypoint runs, beside the program in its place."""
    for file in ("start.py", "again.py"):
        (tmp_path / file).write_bytes((dev.DEVELOPMENT / "again.py").read_bytes())
    return tmp_path / "application.py"


@pytest.fixture
def started(application: Path) -> Iterator[subprocess.Popen[str]]:
    application.write_text(SERVER, encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, application.with_name("start.py")], stdout=subprocess.PIPE, text=True
    )
    serving(program)
    yield program
    program.terminate()  # not killed: its own child would stay
    program.wait(timeout=20)


def serving(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    assert program.stdout.readline() == "serving\n"


def test_it_runs_what_was_edited(started: subprocess.Popen[str], application: Path) -> None:
    application.write_text(SERVER.replace("serving", "edited"), encoding="utf-8")
    started.send_signal(signal.SIGHUP)
    assert started.stdout is not None
    assert started.stdout.readline() == "edited\n"
    started.send_signal(signal.SIGTERM)
    assert started.wait(timeout=20) == -signal.SIGTERM % 256


def test_it_waits_for_the_next_edit_after_one_that_breaks_the_application(
    started: subprocess.Popen[str], application: Path
) -> None:
    mark = application.with_name("broken")
    application.write_text(f"open({str(mark)!r}, 'w'); raise SystemExit(3)", encoding="utf-8")
    started.send_signal(signal.SIGHUP)
    assert wait(mark.exists, timeout=20)
    application.write_text(SERVER, encoding="utf-8")
    started.send_signal(signal.SIGHUP)
    serving(started)


def test_it_ends_as_the_application_does(started: subprocess.Popen[str], application: Path) -> None:
    started.send_signal(signal.SIGTERM)
    assert started.wait(timeout=20) == -signal.SIGTERM % 256
    application.write_text("raise SystemExit(3)", encoding="utf-8")
    argv = [sys.executable, str(application.with_name("start.py"))]
    assert subprocess.run(argv, check=False, timeout=20).returncode == 3
