"""A pass is remembered for its content, and for as long as what it made is there."""

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


def test_what_was_made_and_is_gone_is_made_again(tmp_path: Path) -> None:
    made = tmp_path / "data"

    def body() -> str:
        made.mkdir()
        return "made"

    cache.once("stage", "a", body, tmp_path, made=made)
    cache.once("stage", "a", body, tmp_path, made=made)
    made.rmdir()
    assert cache.once("stage", "a", body, tmp_path, made=made) == "made"
    assert made.is_dir()


@pytest.mark.parametrize(
    "content", ["", '{"key": "a", "at"', "[]", '{"of": "another"}', '{"key": "a"}']
)
def test_half_written_or_foreign_content_is_no_pass(tmp_path: Path, content: str) -> None:
    (tmp_path / "stage.json").write_text(content, encoding="utf-8")
    assert cache.passed("stage", "a", tmp_path) is None
    assert cache.once("stage", "a", lambda: "ran", tmp_path) == "ran"
