"""A rehearsal does only what a runner does: no account is prepared for a pull request."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.commands import rehearse
from pipeline.core import process
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import rehearsal


@pytest.mark.parametrize(("event", "prepared"), [("pull_request", 0), ("push", 1)])
def test_only_a_merge_finds_an_account_that_is_prepared(
    event: str, prepared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Any] = []

    @contextlib.contextmanager
    def prepare(_folder: Path, **_settings: Any) -> Iterator[Any]:
        yield SimpleNamespace(calls=list)

    # These tests run in a rehearsal as well, which holds the lock.
    monkeypatch.setattr(rehearse, "exclusive", contextlib.nullcontext)
    monkeypatch.setattr(git, "snapshot", lambda _message: git.revision())
    monkeypatch.setattr(git, "changed", lambda *_revisions: ["environments/staging.yaml"])
    monkeypatch.setattr(git, "resolve", lambda revision: revision)
    monkeypatch.setattr(process, "run", lambda argv, **_settings: commands.append(argv[1]))
    monkeypatch.setattr(rehearsal, "prepare", prepare)
    monkeypatch.setattr(rehearsal, "run", lambda *_arguments, **_settings: [])
    with pytest.raises(PipelineError, match="jobs that had to run did not"):
        rehearse.run(event)
    assert commands == ["bootstrap"] * prepared
