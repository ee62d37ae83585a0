"""Text that strangers wrote stays text in Markdown: it ends no block, mentions nobody and is never lost silently."""

import pytest

from pipeline.core import markdown


@pytest.mark.parametrize("text", ["x", "```\n</details><h1>out", "````", "a ``` b ```` c"])
def test_nothing_ends_a_code_block_but_its_own_fence(text: str) -> None:
    lines = markdown.code_block(text).rstrip("\n").splitlines()
    assert lines[0] == lines[-1]
    assert lines[0] not in lines[1:-1]
    assert all(lines[0] not in line for line in lines[1:-1])


def test_a_name_in_a_cell_stays_text() -> None:
    shown = markdown.inline("`x` | <img src=x> @all [a](b)\nnext")
    assert "<" not in shown
    assert "\n" not in shown
    assert "@all" not in shown
    assert "\\|" in shown
    assert "\\`x\\`" in shown


def test_a_text_that_is_too_long_is_cut_at_a_line_and_says_where_the_rest_is() -> None:
    text = markdown.code_block("\n".join(f"line {number}" for number in range(10_000)))
    kept = markdown.cut(text, 5_000, where="[the run](https://example.org)")
    assert len(kept) <= 5_000
    assert kept.endswith("*Cut here: the whole text is in [the run](https://example.org).*\n")
    assert kept.count("```") == 2, "the open block is closed"
