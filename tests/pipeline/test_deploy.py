"""On the way to Kubernetes images are pushed as soon as the registry is there, and not waited for in vain."""

from threading import Event

import pytest

from pipeline.commands import deploy, push
from pipeline.core.errors import PipelineError


def test_the_registry_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True, True])
    monkeypatch.setattr(push, "registry_is_there", lambda _name: next(answers))
    assert deploy.await_registry(Event()) == "images can be pushed"


def test_an_account_that_was_not_made_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "registry_is_there", lambda _name: False)
    over = Event()
    over.set()
    with pytest.raises(PipelineError, match="no image registry"):
        deploy.await_registry(over)
