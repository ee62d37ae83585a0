"""The list of the images that an environment's namespace runs: what is verified comes on it, what no pod runs goes."""

import json
from typing import Any

import pytest

from pipeline.argocd import admitted, application
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.image_reference import ImageReference

REPOSITORY = "registry.example.com/shop"
CLUSTER = Cluster("any", None, local=True)


def image(letter: str) -> ImageReference:
    return ImageReference(REPOSITORY, f"sha256:{letter * 64}")


def entry(letter: str) -> dict[str, str]:
    return {letter * 12: str(image(letter))}


def pod(*images: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"image": each} for each in images]}}


def admit(letter: str, *, keep: str | None = None, protected: bool = True) -> None:
    admitted.admit(CLUSTER, "local", image(letter), keep=keep, protected=protected)


def forbidden() -> CommandFailedError:
    said = 'Error from server (Forbidden): configmaps "admitted-local" is forbidden'
    return CommandFailedError(said, next_step="", log=None, code=1, tail=[said])


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is applied to a cluster whose pods run ``b`` and an image that nobody listed."""
    applied: list[dict[str, str]] = []
    there = {"other-0": "postgres:15", **entry("a"), **entry("b")}
    pods = [pod(str(image("b"))), pod("postgres:15", str(image("e")))]
    monkeypatch.setattr(Cluster, "get", lambda *_: {"data": there})
    monkeypatch.setattr(Cluster, "items", lambda *_: pods)
    monkeypatch.setattr(
        Cluster, "apply", lambda _, manifest: applied.append(json.loads(manifest)["data"])
    )
    return applied


def test_what_is_verified_joins_what_runs_and_was_listed(written: list[dict[str, str]]) -> None:
    admit("c")
    assert written == [entry("b") | entry("c")]


def test_what_a_rollback_would_go_back_to_stays_where_it_is_listed(
    written: list[dict[str, str]],
) -> None:
    admit("c", keep=image("a").digest)
    admit("c", keep=image("f").digest)
    assert written == [entry("a") | entry("b") | entry("c"), entry("b") | entry("c")]


def test_what_is_listed_already_is_not_written_again(
    written: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "get", lambda *_: {"data": entry("b")})
    admit("b")
    assert written == []


def test_a_right_that_argo_cd_has_not_given_yet_is_waited_for(
    written: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = iter([True, True, False])
    listed = Cluster.get

    def get(*arguments: Any) -> Any:
        if next(later):
            raise forbidden()
        return listed(*arguments)

    monkeypatch.setattr(Cluster, "get", get)
    monkeypatch.setattr(admitted, "POLL_SECONDS", 0)
    admit("c")
    assert len(written) == 1


def test_a_right_that_never_comes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(*_: Any) -> Any:
        raise forbidden()

    monkeypatch.setattr(Cluster, "get", get)
    monkeypatch.setattr(application, "POLL", application.POLL * 0)
    with pytest.raises(PipelineError, match=r"cannot be told that .* was verified") as raised:
        admit("c")
    assert "access-local" in raised.value.next_step


def test_a_list_that_does_not_count_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def get(*_: Any) -> Any:
        raise forbidden()

    monkeypatch.setattr(Cluster, "get", get)
    admit("c", protected=False)
    assert "cannot be told" in capsys.readouterr().err
