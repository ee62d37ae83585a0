"""What the tests of tasks share: a free port, and a machine on which nothing can be started."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import runner
from pipeline.argocd import git_server
from pipeline.core.errors import PipelineError
from pipeline.git import groups
from pipeline.git import repository as git
from pipeline.github import reports


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on now, other checkouts' tests included."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a task would have started or connected to: it fails instead. Git only reads."""
    begun: list[str] = []

    class Popen(subprocess.Popen[Any]):
        def __init__(self, argv: list[str], **options: Any) -> None:
            words = [Path(argv[0]).name, *map(str, argv[1:])]
            if words[0] != "git" or words[1] in ("clone", "fetch", "push"):
                begun.append("copy" if words[:2] == ["git", "clone"] else " ".join(words))
                raise PipelineError(f"{words[0]} is not started here", next_step="none")
            super().__init__(argv, **options)

    def refuse(what: str) -> Callable[..., None]:
        def refused(*_: Any, **__: Any) -> None:
            begun.append(what)
            raise ConnectionRefusedError(what)

        return refused

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(socket.socket, "connect", refuse("connection"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse("look-up of a name"))
    monkeypatch.setattr(shutil, "copytree", refuse("copy"))
    monkeypatch.setattr(git, "is_dirty", lambda **_: False)
    monkeypatch.setattr(groups, "load", list)  # their keys are of every file
    monkeypatch.setattr(git_server, "BARE", tmp_path / "none.git")
    monkeypatch.setattr(reports, "REPORTS", tmp_path)
    monkeypatch.setattr(runner, "log_file", lambda name: tmp_path / f"{name}.log")
    for name in ("GITHUB_ACTIONS", "GITHUB_TOKEN", "DATABASE_URL", "LOCAL_AWS"):
        monkeypatch.delenv(name, raising=False)
    return begun
