"""`./inv down` has the checkout for itself, and never reports as removed what it could not look for."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.core import locks
from pipeline.core.paths import ROOT

NOWHERE = "tcp://127.0.0.1:9"  # the discard port: nobody listens


def run(host: Path, *task: str) -> subprocess.CompletedProcess[str]:
    """Runs the task for another checkout, whose engine does not answer."""
    environ = os.environ | {"PIPELINE_HOST": str(host), "DOCKER_HOST": NOWHERE}
    argv = [str(ROOT / "inv"), *task]
    return subprocess.run(
        argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("task", [("down",), ("cluster", "down")], ids=" ".join)
def test_it_is_refused_while_another_task_works_and_names_it(
    tmp_path: Path, task: tuple[str, ...]
) -> None:
    with locks.shared("checkout", tmp_path / ".local" / "locks"):
        done = run(tmp_path, *task)
    assert done.returncode == 1
    assert f"another run holds the checkout lock: pid {os.getpid()}" in done.stderr


def test_with_an_engine_that_does_not_answer_it_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "down")
    assert done.returncode == 1
    assert "the Docker engine does not answer" in done.stderr
    assert "correct DOCKER_HOST" in done.stderr
    assert "removed" not in done.stdout
