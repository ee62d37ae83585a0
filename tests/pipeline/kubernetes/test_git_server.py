"""The Git stand-in: served once for all tasks of a checkout, and ended by its folder."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.argocd import git_server
from pipeline.core import ports
from pipeline.core.errors import PipelineError

HOST = "127.0.0.2"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[None]:
    """Another checkout's folder and port."""
    monkeypatch.setattr(git_server, "FOLDER", tmp_path)
    monkeypatch.setattr(git_server, "BARE", tmp_path / "delivery.git")
    monkeypatch.setattr(git_server, "SERVED", f"--base-path={tmp_path}")
    monkeypatch.setattr(git_server, "log_file", lambda name: tmp_path / f"{name}.log")
    monkeypatch.setattr(ports, "GIT", free_port)
    yield
    git_server.stop()


def test_the_server_outlives_a_task_and_is_found_again() -> None:
    git_server.serve(HOST)
    first = git_server.processes()
    git_server.serve(HOST)
    assert first[0] in git_server.processes()  # beside what serves a request that has just come
    subprocess.run(["git", "ls-remote", git_server.url(HOST)], check=True)
    git_server.stop()
    assert not git_server.processes()
    git_server.stop()


def test_a_server_that_cannot_listen_fails_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It listens on loopback, so that nothing but time tells.
    monkeypatch.setattr(git_server, "START_SECONDS", 1)
    with pytest.raises(PipelineError, match="the Git stand-in did not start") as refusal:
        git_server.serve("192.0.2.1")
    assert refusal.value.log == tmp_path / "git.log"
    assert not git_server.processes()
