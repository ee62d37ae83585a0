"""What a deploy waits for, and what it does again: the account's preparation, and the registry for Kubernetes."""

from pathlib import Path
from threading import Event

import pytest

from pipeline.aws import account as aws
from pipeline.aws import localaws
from pipeline.commands import deploy, push
from pipeline.core import cache
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.targets import ecs
from pipeline.terraform import roots


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


@pytest.mark.parametrize(("local", "expected"), [(True, [1, 1, 2, 3]), (False, [1, 2, 3, 4])])
def test_this_machines_account_is_prepared_once_for_a_state_and_a_configuration(
    local: bool, expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, prepared, counts, settings = tmp_path / "web-ca.pem", [], [], [""]

    def prepare(_: environments.Environment) -> str:
        prepared.append(1)
        return "the account is prepared"

    monkeypatch.setattr(aws, "account", lambda _: aws.Account({}, local=local))
    monkeypatch.setattr(localaws, "AUTHORITY", authority)
    monkeypatch.setattr(roots, "source_key", lambda _: settings[0])
    monkeypatch.setattr(ecs, "prepare", prepare)
    monkeypatch.setattr(cache.once, "__defaults__", (tmp_path / "passed",))
    for state, settings[0] in (("one", "one"), ("one", "one"), ("two", "one"), ("two", "two")):
        authority.write_text(state, encoding="utf-8")
        ecs.prepared(environments.load("local"))
        counts.append(len(prepared))
    assert counts == expected
