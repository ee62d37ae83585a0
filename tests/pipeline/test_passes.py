"""A pass is remembered for its content, and for as long as what it made is there."""

from pathlib import Path

from pipeline.core import cache as passes


def test_the_same_content_is_not_checked_again(tmp_path: Path) -> None:
    runs: list[str] = []

    def body() -> str:
        runs.append("ran")
        return "3 checks"

    passes.once("stage", "a", body, tmp_path)
    assert "3 checks" in passes.once("stage", "a", body, tmp_path)
    assert runs == ["ran"]
    passes.once("stage", "b", body, tmp_path)
    assert runs == ["ran", "ran"]


def test_what_was_made_and_is_gone_is_made_again(tmp_path: Path) -> None:
    made = tmp_path / "data"

    def body() -> str:
        made.mkdir()
        return "made"

    passes.once("stage", "a", body, tmp_path, made=made)
    passes.once("stage", "a", body, tmp_path, made=made)
    made.rmdir()
    assert passes.once("stage", "a", body, tmp_path, made=made) == "made"
    assert made.is_dir()
