"""A pass is remembered for its content."""

from pathlib import Path

import pytest

from pipeline.core import cache


def test_the_same_content_is_not_checked_again(tmp_path: Path) -> None:
    runs: list[str] = []

    def body() -> str:
        runs.append("ran")
        return "3 checks"

    cache.once("stage", "a", body, tmp_path)
    assert "3 checks" in cache.once("stage", "a", body, tmp_path)
    assert runs == ["ran"]
    cache.once("stage", "b", body, tmp_path)
    assert runs == ["ran", "ran"]


def test_content_that_comes_back_is_not_checked_again(tmp_path: Path) -> None:
    for key in ("a", "b"):
        cache.record("stage", key, f"checked {key}", tmp_path)
    assert cache.passed("stage", "a", tmp_path) == "checked a"
    assert cache.passed("stage", "b", tmp_path) == "checked b"


def test_the_latest_contents_are_remembered(tmp_path: Path) -> None:
    keys = [str(number) for number in range(cache.KEPT + 1)]
    for key in (keys[0], *keys[1:-1], keys[0], keys[-1]):
        cache.record("stage", key, "passed", tmp_path)
    kept = [key for key in keys if cache.passed("stage", key, tmp_path)]
    assert kept == [keys[0], *keys[2:]]


@pytest.mark.parametrize(
    "content",
    ["", '{"a": {"at"', "[]", '{"a": null}', '{"a": ["at", "result"]}', '{"a": {"at": "12:00"}}'],
)
def test_half_written_or_foreign_content_is_no_pass(tmp_path: Path, content: str) -> None:
    (tmp_path / "stage.json").write_text(content, encoding="utf-8")
    assert cache.passed("stage", "a", tmp_path) is None
    assert cache.once("stage", "a", lambda: "ran", tmp_path) == "ran"
