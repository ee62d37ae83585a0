"""What `./inv status` shows of each target, for people and for programs."""

import json
from types import SimpleNamespace

import pytest

from pipeline import targets
from pipeline.commands import status
from pipeline.targets.state import State

LIVE, NEWER = "a" * 40, "b" * 40


def state(**changed: object) -> State:
    known: dict[str, object] = {
        "url": "http://localhost:8080",
        "image": f"registry.example/shop@sha256:{'1' * 64}",
        "version": "1.0.0",
        "healthy": True,
        "replicas": 2,
        "revision": LIVE,
        "wanted_revision": LIVE,
        "age": 59,
    }
    return State(**{**known, **changed})  # type: ignore[arg-type]


def run(monkeypatch: pytest.MonkeyPatch, *, as_json: bool, **live: State | None) -> str:
    registry = {
        name: SimpleNamespace(observe=lambda _environment, seen=seen: seen)
        for name, seen in live.items()
    }
    monkeypatch.setattr(targets, "TARGETS", registry)
    return status.run(as_json=as_json).headline


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seen: State | None
) -> str:
    run(monkeypatch, as_json=False, ecs=seen)
    return capsys.readouterr().out


def test_a_target_that_is_not_up_is_null(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = json.loads(run(monkeypatch, as_json=True, ecs=state(), compose=None))["targets"]
    assert live["compose"] is None
    assert live["ecs"]["revision"] == LIVE
    assert "via" not in live["ecs"]
    assert "not up" in shown(monkeypatch, capsys, None)


def test_the_live_commit_is_shown_once_and_beside_a_newer_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "in Git" not in shown(monkeypatch, capsys, state())
    output = shown(monkeypatch, capsys, state(wanted_revision=NEWER))
    assert f"{LIVE[:7]}, in Git {NEWER[:7]}" in output


def test_engines_that_run_different_images_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = state(image=f"registry.example/shop@sha256:{'2' * 64}")
    run(monkeypatch, as_json=False, ecs=state(), kubernetes=other)
    warned = " ".join(capsys.readouterr().err.split())
    assert f"ecs runs {'1' * 12}, kubernetes runs {'2' * 12}: ./inv plan" in warned
    compose = state(image="shop:1.0.0")
    run(monkeypatch, as_json=False, ecs=state(), kubernetes=state(), compose=compose)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(59, "59 s"), (60, "1 min"), (7200, "2.0 h"), (172800, "2.0 d")]
)
def test_the_age_is_shown_in_its_largest_unit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: int, words: str
) -> None:
    assert words in shown(monkeypatch, capsys, state(age=seconds))
