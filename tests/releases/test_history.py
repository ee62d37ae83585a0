"""What an environment's history says: what happened when, and DORA's figures, which were computed by hand here."""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.commands import history as command
from pipeline.releases import dora, timeline
from pipeline.releases import history as releases
from pipeline.releases.desired import NOTES, Desired, verification
from pipeline.releases.image_reference import ImageReference
from tests.releases.repository import REPOSITORY, TEXT

START = datetime(2026, 9, 7, 9, tzinfo=UTC)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def released(number: int) -> str:
    return releases.with_digest(TEXT, digest(number))


@dataclass
class Repository:
    """A bare repository, written in one stream; marks of commits are numbers."""

    folder: Path
    stream: list[str] = field(default_factory=list)
    made: int = 0

    def commit(
        self,
        at: datetime,
        message: str,
        *,
        text: str | None = None,
        author: str = "Ada",
        parents: Iterable[int] = (),
        branch: str = "main",
    ) -> int:
        """A commit on a branch, of some file or of staging's."""
        self.made += 1
        seconds = int(at.timestamp())
        person = f"{author} <{author.lower()}@example.org> {seconds} +0000"
        lines = [f"commit refs/heads/{branch}", f"mark :{self.made}"]
        lines += [f"author {person}", f"committer {person}", _data(message)]
        for keyword, parent in zip(("from", "merge"), parents, strict=False):
            lines.append(f"{keyword} :{parent}")
        path, content = (
            ("app/x", str(self.made)) if text is None else ("environments/staging.yaml", text)
        )
        lines.append(f"M 100644 inline {path}\n{_data(content)}")
        self.stream.append("\n".join(lines))
        return self.made

    def note(self, commit: int, text: str) -> None:
        """A note of a commit."""
        person = "committer Test <test@example.org> 1 +0000"
        lines = [f"commit {NOTES}", person, _data("Note"), f"N inline :{commit}", _data(text)]
        self.stream.append("\n".join(lines))

    def ids(self) -> dict[int, str]:
        """The commits' ids by their marks; the stream is written with the first call."""
        marks = self.folder / "marks"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.folder], check=True)
        argv = ["git", "fast-import", "--quiet", f"--export-marks={marks}"]
        content = "\n".join([*self.stream, ""]).encode()
        subprocess.run(argv, cwd=self.folder, input=content, check=True)
        pairs = (line.split() for line in marks.read_text(encoding="utf-8").splitlines())
        return {int(mark[1:]): commit for mark, commit in pairs}


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def message(subject: str, number: int, source: str, *, reverts: str = "") -> str:
    image = ImageReference(REPOSITORY, digest(number))
    text = releases.message(subject, image, source=source)
    return f"{text}Reverts: {reverts} (Release)\n" if reverts else text


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "github.git")


def read(repository: Repository, now: datetime, days: int = 90) -> command.History:
    desired = Desired(str(repository.folder), root=repository.folder)
    [found] = command.read(desired, ["staging", "production"], now, days)
    return found


def test_the_figures_are_those_that_were_computed_by_hand(tmp_path: Path) -> None:
    ids: dict[int, str] = {}
    for attempt in range(
        6
    ):  # messages name commits before them: each round fixes one more of the ids
        repository = Repository(tmp_path / f"{attempt}.git")
        name = ids.get
        none = "0" * 40
        repository.commit(START, "Start", text=TEXT)
        one = repository.commit(START + HOUR, "One")
        first = repository.commit(
            START + 2 * HOUR,
            message("Release one", 1, name(one, none)),
            text=released(1),
            author="app",
        )
        repository.commit(START + DAY, "Two", author="Bob")
        three = repository.commit(START + DAY + 2 * HOUR, "Three")
        second = repository.commit(
            START + DAY + 3 * HOUR,
            message("Release three", 3, name(three, none)),
            text=released(3),
            author="app",
        )
        repository.commit(
            START + DAY + 5 * HOUR,
            message("Roll staging back", 1, name(one, none), reverts=name(second, none)),
            text=released(1),
            author="app",
        )
        repository.commit(START + 2 * DAY, "More replicas", text=released(1).replace("2", "3", 1))
        four = repository.commit(START + 8 * DAY, "Four")
        repository.commit(
            START + 8 * DAY + HOUR,
            message("Release four", 4, name(four, none)),
            text=released(4),
            author="app",
        )
        repository.note(first, verification(["ecs", "kubernetes"], START + 3 * HOUR))
        ids = repository.ids()
    found = read(repository, START + 9 * DAY, days=14)
    kinds = [(entry.kind, entry.failed) for entry in found.entries]
    assert kinds == [
        ("release", False),
        ("settings", False),
        ("rollback", False),
        ("release", True),
        ("release", False),
        ("settings", False),
    ]
    assert [entry.author for entry in found.entries][3:5] == ["Ada", "Ada"]
    figures = found.figures
    # Releases one, three and four; three failed, and was gone two hours later.
    assert (figures.deployments, figures.failed) == (3, 1 / 3)
    assert figures.recovery == 2 * HOUR
    # One was live, on every engine, after 2 h. Two and three lived with four: after 169 and 167 h; four after 1 h.
    spans = [2, 7 * 24 + 1, 7 * 24 - 1, 1]
    assert figures.lead == timedelta(hours=(sorted(spans)[1] + sorted(spans)[2]) / 2)
    assert figures.bands() == {"interval": "high", "lead": "high", "recovery": "high"}
    weeks = [(week.monday.isoformat(), week.deployments, week.failed) for week in found.weeks]
    assert weeks == [("2026-09-07", 2, 1), ("2026-09-14", 1, 0)]


def test_a_squashed_and_a_merged_promotion_count_once_and_keep_their_source(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "github.git")
    source = "c" * 40
    start = repository.commit(START, "Start", text=TEXT)
    body = message("Promote one", 1, source)
    squashed = (
        f"Promote one\x1f (#5)\n\n```\n{body}Override: urgent\n```\n\nCo-authored-by: Eve <e@x>\n"
    )
    one = repository.commit(START + HOUR, squashed, text=released(1), parents=[start])
    branch = repository.commit(
        START + 2 * HOUR,
        message("Promote two", 2, "d" * 40),
        text=released(2),
        parents=[one],
        branch="promote",
    )
    repository.commit(
        START + 3 * HOUR, "Merge pull request #6", text=released(2), parents=[one, branch]
    )
    repository.ids()
    found = read(repository, START + DAY).entries
    assert [(entry.kind, entry.digest, entry.source) for entry in found[:2]] == [
        ("release", digest(2), "d" * 40),
        ("release", digest(1), source),
    ]
    assert len(found) == 3
    # The rules of promotion read the same.
    _, first, _ = releases.commits("main", "staging", root=repository.folder)
    assert (first.source, first.override) == (source, "urgent")


def test_a_revert_by_hand_is_a_rollback(tmp_path: Path) -> None:
    ids: dict[int, str] = {}
    for attempt in range(2):
        repository = Repository(tmp_path / f"{attempt}.git")
        repository.commit(START, "Start", text=released(1))
        bad = repository.commit(START + HOUR, "Release", text=released(2))
        text = f'Revert "Release"\n\nThis reverts commit {ids.get(bad, "0" * 40)}.\n'
        repository.commit(START + 2 * HOUR, text, text=released(1))
        ids = repository.ids()
    found = read(repository, START + DAY).entries
    assert [(entry.kind, entry.failed) for entry in found] == [
        ("rollback", False),
        ("release", True),
        ("release", False),
    ]


def test_an_environment_without_a_release_has_no_history(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "github.git")
    repository.commit(START, "Start", text=TEXT)
    repository.ids()
    desired = Desired(str(repository.folder), root=repository.folder)
    assert command.read(desired, ["staging", "production"], START + DAY, 90) == []
    assert "Nothing was released yet" in command.page([], START, where="origin/main")


def test_a_page_and_json_have_every_one_of_thousands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = Repository(tmp_path / "github.git")
    repository.commit(START, "Start", text=TEXT)
    hostile = "<script>alert(1)</script> & [/healthz] \x1b[31m\x1e\x1f\x1d [bot]"
    for number in range(1, 1001):
        at = START + number * HOUR
        repository.commit(
            at, message(f"Release {hostile}", number, "c" * 40), text=released(number)
        )
    repository.ids()
    found = read(repository, START + 1001 * HOUR)
    text = command.page([found], START, where="origin/main")
    assert text.count('<td class="release">') == 1000
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!http|#)|@import|url\(", text)
    assert len(command._as_json(found)["entries"]) == 1001
    assert json.dumps(command._as_json(found))
    command._print(found)
    printed = capsys.readouterr().out
    assert "[/healthz]" in " ".join(printed.split())
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    ("hours", "name"),
    [(0.5, "elite"), (1, "elite"), (1.1, "high"), (25, "medium"), (24 * 8, "low")],
)
def test_a_band_reaches_up_to_its_limit(hours: float, name: str) -> None:
    assert dora.band(timedelta(hours=hours), dora.RECOVERY) == name


def test_a_release_of_an_unknown_source_brings_no_commit() -> None:
    entry = timeline.Entry(
        *("a" * 40, START, "Ada", "Release", "release", digest(1)),
        source="e" * 40,
        reverts=(),
        override="",
        reason="",
        verified=None,
        engines="",
        failed=False,
    )
    branch = {"f" * 40: timeline.Commit(START, "Ada", "Change", ours=False)}
    assert [brought for _, brought in timeline.changes([entry], branch)] == [[]]
