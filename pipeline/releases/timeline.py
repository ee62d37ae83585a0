"""What happened to an environment, read from Git in two calls: releases, rollbacks and changes of its settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core.paths import ROOT
from pipeline.releases import history
from pipeline.releases.desired import FAILED, NOTES, line, log, verified_on

#: A digest that a commit gives the environment's file, in the lines of a diff.
DIGEST = re.compile(r"^\+\s*digest:\s*[\"']?(sha256:[0-9a-f]{64})", re.MULTILINE)
#: What Git and GitHub write when somebody reverts a commit by hand.
BY_HAND = re.compile(r"^This reverts commit ([0-9a-f]{40})", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A commit of an environment's file on the branch.

    ``kind`` is release (another digest, forward), rollback, or settings. ``source`` is the commit that the image was
    built from, ``change`` what the newest change in it was; ``reverts`` are the commits that a rollback left, for its
    ``reason``, which they have too.
    """

    commit: str
    at: datetime
    author: str
    change: str
    kind: str
    digest: str
    source: str
    reverts: Sequence[str]
    override: str
    reason: str
    verified: datetime | None
    engines: str
    failed: bool

    @property
    def live(self) -> datetime:
        """When every engine had answered with it, as far as Git knows; else the commit's time."""
        return self.verified or self.at

    def as_json(self) -> dict[str, Any]:
        """Times in ISO 8601; None for what it does not have."""
        fields = {name: None if value == "" else value for name, value in asdict(self).items()}
        return {
            **fields,
            "at": self.at.isoformat(),
            "verified": self.verified and self.verified.isoformat(),
            "engines": self.engines.split(", ") if self.engines else [],
        }


@dataclass(frozen=True)
class Commit:
    """A commit of the branch: when and by whom it came there, and whether the pipeline made it."""

    at: datetime
    author: str
    subject: str
    ours: bool


def entries(tip: str, environment: str, *, root: Path = ROOT) -> list[Entry]:
    """All of an environment's, the newest first; a squashed or merged pull request counts once, as what it brought."""
    listed = log(
        ("%H", "%P", "%ct", "%an", "%s", "%B", "%N"),
        *("--first-parent", "--diff-merges=first-parent", "--patch", "--unified=0"),
        *(f"--notes={NOTES}", tip, "--", history.path(environment)),
        root=root,
    )
    merges = [parents.split()[1] for _, parents, *_ in listed if " " in parents]
    options = ("--no-walk", "--stdin")
    told = log(("%H", "%B"), *options, root=root, stdin="\n".join(merges)) if merges else []
    merged = {commit: body for commit, body, _ in told}
    made: list[Entry] = []
    for commit, parents, seconds, author, subject, body, note, diff in reversed(listed):
        # A merge says nothing of what it brought: the commit that was merged does.
        text = "\n".join([body, *(merged.get(parent, "") for parent in parents.split()[1:])])
        digest = match[1] if (match := DIGEST.search(diff)) else ""
        before = made[-1].digest if made else ""
        reverts = [
            *history.COMMIT.findall(line(history.REVERTS, text)),
            *BY_HAND.findall(text),
        ]
        kind = "rollback" if reverts else "release" if digest and digest != before else "settings"
        verified, engines = verified_on(note.strip())
        made.append(
            Entry(
                *(commit, datetime.fromtimestamp(int(seconds), UTC), author, subject, kind),
                digest=digest or before,
                source=line(history.SOURCE, text),
                reverts=reverts,
                override=line(history.OVERRIDE, text),
                reason=line(history.REASON, text),
                verified=verified,
                engines=engines,
                failed=note.strip() == FAILED,
            )
        )
    # What a rollback left has failed, for its reason.
    left = {commit: entry.reason for entry in made for commit in entry.reverts}
    return [
        replace(each, failed=True, reason=left[each.commit]) if each.commit in left else each
        for each in reversed(made)
    ]


def commits(tip: str, *, root: Path = ROOT) -> Mapping[str, Commit]:
    """The branch's commits by id, the newest first."""
    listed = log(("%H", "%ct", "%an", "%s", "%B"), "--first-parent", tip, root=root)
    return {
        commit: Commit(
            datetime.fromtimestamp(int(seconds), UTC), author, subject, history.NO_BUILD in body
        )
        for commit, seconds, author, subject, body, _ in listed
    }


def changes(
    made: Sequence[Entry], branch: Mapping[str, Commit]
) -> Iterator[tuple[Entry, list[Commit]]]:
    """Each release that lived, with the commits that it was the first to bring; the oldest release first.

    Commits of the pipeline, and of the environment's own file, count for none; a release whose source is not on the
    branch brings none.
    """
    own = {entry.commit for entry in made}
    order = list(branch.items())[::-1]
    position = {commit: number for number, (commit, _) in enumerate(order)}
    brought = -1
    for entry in reversed(made):
        if entry.kind != "release" or entry.failed:
            continue
        until = position.get(entry.source, brought)
        first = brought + 1 if brought >= 0 else until
        between = order[first : until + 1]
        yield entry, [each for commit, each in between if not (each.ours or commit in own)]
        brought = max(brought, until)
