"""A step of some length is announced with the time that it took when it last passed."""

from pathlib import Path

import pytest

from pipeline.core import console


@pytest.fixture(autouse=True)
def durations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(console, "DURATIONS", tmp_path / "durations.json")
    monkeypatch.setattr(console, "LIVE", False)
    monkeypatch.setattr(console, "LONG", 0)
    return console.DURATIONS


def announced(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[0].strip()


def test_the_time_of_the_last_pass_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("roast"):
        pass
    assert announced(capsys) == "roast …"
    with console.progress("roast"):
        pass
    assert announced(capsys) == "roast … 0 s last time"


def test_a_step_that_failed_says_nothing_about_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RuntimeError), console.progress("roast"):
        raise RuntimeError
    announced(capsys)
    with console.progress("roast"):
        pass
    assert announced(capsys) == "roast …"


def test_what_is_soon_over_is_not_announced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with console.progress("roast"):
        pass
    monkeypatch.setattr(console, "LONG", 3600)
    for _ in range(2):
        announced(capsys)
        with console.progress("roast"):
            pass
    assert announced(capsys) == "roast …"


def test_a_disk_that_is_full_fails_no_step(durations: Path) -> None:
    durations.mkdir()
    with console.progress("roast"):
        pass


def test_the_latest_titles_are_remembered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "KEPT", 1)
    for title in ("roast", "pie", "pie", "roast"):
        with console.progress(title):
            pass
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "…" in line] == [
        "roast …",
        "pie …",
        "pie … 0 s last time",
        "roast …",
    ]
