"""A verification is a note of the release's commit, once every engine has answered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import verify
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.targets import ecs, kubernetes, web
from tests.releases.repository import (
    NEW,
    OLD,
    commits,
    desired,
    merge,
    note,
    publish,
    release_to_staging,
    run,
)


def test_two_notes_at_once_are_both_kept(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (publish(clone, digest, merge(clone, digest[7:9])) for digest in (OLD, NEW))
    assert first
    assert second
    other = clone.parent / "other"
    run(clone.parent, "clone", "-q", str(clone.parent / "github.git"), str(other))
    raced: list[str] = []
    real = git.push

    def racing(commit: str, **settings: Any) -> None:
        if not raced:
            raced.append(commit)
            monkeypatch.setattr(git, "push", real)
            note(other, first)
        real(commit, **settings)

    monkeypatch.setattr(git, "push", racing)
    note(clone, second)
    assert raced
    assert [bool(entry.verified) for entry in commits(clone)] == [True, True, False]


def test_a_note_that_nobody_may_push_is_named(clone: Path) -> None:
    commit = publish(clone, NEW, merge(clone, "one"))
    hook = clone.parent / "github.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with pytest.raises(PipelineError, match="the push was refused"):
        note(clone, str(commit))
    assert [entry.verified for entry in commits(clone)][:1] == [None]


def test_a_verification_is_noted_once_every_engine_has_answered(
    production: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = release_to_staging(production, NEW, "one")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    answers = {"ecs": True, "kubernetes": False}
    asked: list[tuple[str, str | None]] = []

    def verify_on(engine: str) -> Callable[..., web.Reached]:
        def verified(_: environments.Environment, digest: str | None = None) -> web.Reached:
            asked.append((engine, digest))
            if not answers[engine]:
                raise PipelineError(f"{engine} does not answer", next_step="look")
            return "", None

        return verified

    monkeypatch.setattr(ecs, "verify", verify_on("ecs"))
    monkeypatch.setattr(kubernetes, "verify", verify_on("kubernetes"))

    def engines() -> str:
        entry = releases.commits(desired(production).tip(), "staging", root=production)[0]
        assert entry.commit == commit
        return entry.engines

    monkeypatch.setenv("KUBERNETES_ENABLED", "true")
    with pytest.raises(PipelineError, match="kubernetes does not answer"):
        verify.run("staging", record=True)
    assert asked == [("ecs", NEW), ("kubernetes", NEW)]
    assert engines() == ""
    with pytest.raises(PipelineError, match=f"Git names {NEW} for staging, not {OLD}"):
        verify.run("staging", digest=OLD, record=True)
    monkeypatch.setenv("KUBERNETES_ENABLED", "")
    verify.run("staging", digest=NEW, record=True)
    assert engines() == "ecs"
    answers["kubernetes"] = True
    monkeypatch.setenv("KUBERNETES_ENABLED", "true")
    verify.run("staging", record=True)
    assert engines() == "ecs, kubernetes"
    noted = run(production, "ls-remote", "origin", "refs/notes/*")
    verify.run("staging", record=True)
    assert run(production, "ls-remote", "origin", "refs/notes/*") == noted
