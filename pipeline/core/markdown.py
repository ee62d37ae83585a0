"""Markdown around text that others wrote: nothing in it counts as markup, mention or link."""

import re
from collections.abc import Iterable, Sequence

#: A character that ``inline`` escapes by a backslash.
MARKUP = r"[\\`*_\[\]|~#!]"


def code_block(text: str, language: str = "") -> str:
    """A fenced block that nothing in the text can end."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def last_lines(task: str, lines: Sequence[str]) -> str:
    """A failed task's report with the last lines of a log; empty without any."""
    return f"### {task}\n\n{code_block(chr(10).join(lines))}" if lines else ""


def inline(text: str) -> str:
    """Text for a table cell or heading, escaped and on one line."""
    flat = re.sub(r"\s+", " ", text).strip()
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    flat = re.sub(f"({MARKUP})", r"\\\1", flat)
    # A zero-width space keeps @name and owner/repo#1 from notifying anyone.
    return flat.replace("@", "@\u200b")


def plain(text: str) -> str:
    """What ``inline`` has made of a text, for HTML, where a backslash would show; entities stay."""
    return re.sub(rf"\\({MARKUP})", r"\1", text)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells are Markdown."""
    lines = (headings, ["---"] * len(headings), *rows)
    return [f"| {' | '.join(cells)} |" for cells in lines]


def one_line(text: str) -> str:
    """Text with a space for each control character: no line break, and no change of writing direction."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", " ", text)


def cut(text: str, limit: int, *, where: str) -> str:
    """The text, cut at a line's end to at most ``limit`` characters, with a note that the rest is ``where``.

    A code block that is open at the cut is closed.
    """
    if len(text) <= limit:
        return text
    note = f"\n\n*Cut here: the whole text is in {where}.*\n"
    room = limit - len(note) - 100
    line_end = text.rfind("\n", 0, room)
    kept = text[: line_end if line_end > room // 2 else room]
    fence = _open_fence(kept)
    return kept + (f"\n{fence}" if fence else "") + note


def _open_fence(text: str) -> str:
    fence = ""
    for match in re.finditer(r"^(`{3,}).*$", text, re.MULTILINE):
        if not fence:
            fence = match[1]
        elif match[0].strip() == fence:
            fence = ""
    return fence
