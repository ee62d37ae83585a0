"""Where the desired state lives, what is committed to it, and what became of it: a branch, and notes of its commits."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT
from pipeline.core.waiting import persistent
from pipeline.git import repository as git
from pipeline.github import actions

#: How often a commit is made anew because somebody else pushed in between.
ATTEMPTS = 5
#: In what Git says of a remote that is busy.
PASSING = re.compile(
    r"returned error: (5|429)|HTTP 5\d\d|RPC failed|early EOF|[Cc]onnection reset|timed out|Could not resolve host"
)
#: What became of a commit stands in its Git note (decision 11): verified, when and where; failed, on this machine.
NOTES = "refs/notes/delivery"
FAILED, VERIFIED = "failed", re.compile(r"verified (\S+) on (.+)")


@dataclass(frozen=True)
class Desired:
    """Where the desired state lives: a remote (name or URL), its branch, and a token when it needs one."""

    remote: str
    branch: str = "main"
    token: str | None = None
    root: Path = ROOT

    def tip(self) -> str:
        """The newest commit of the branch, fetched now with the notes."""
        notes = f"+{NOTES}*:{NOTES}*"  # the pattern: there may be none yet
        return persistent(
            lambda: git.fetch(
                self.branch, notes, remote=self.remote, token=self.token, root=self.root
            ),
            passing,
        )

    def push(self, commit: str, ref: str, *, replace: bool = False) -> None:
        """Pushes a commit to a branch or another ref; raises CommandFailedError when the remote refuses.

        Pushed again where the remote is busy: what came in all the same is no second deed.
        """
        persistent(
            lambda: git.push(
                commit,
                remote=self.remote,
                ref=ref,
                token=self.token,
                root=self.root,
                replace=replace,
            ),
            passing,
        )

    def pushed(self, made: Callable[[str], str | None], ref: str) -> str | None:
        """Pushes what is made on top of the tip, and returns it; made anew when somebody else pushes in between."""
        for attempt in range(1, ATTEMPTS + 1):
            commit = made(self.tip())
            if commit is None:
                return None
            try:
                self.push(commit, ref)
            except CommandFailedError as error:
                if attempt < ATTEMPTS and moved(error):
                    continue
                raise PipelineError(
                    f"the push was refused: {error.tail[-1] if error.tail else error.cause}",
                    next_step="check that the release app may bypass the rules of the branch (docs/github.md)",
                ) from error
            return commit
        raise AssertionError("the last attempt either returns or raises")


def on_github() -> Desired:
    """The repository of the workflow, fetched with GITHUB_TOKEN, pushed to with RELEASE_TOKEN.

    Raises PipelineError outside of a workflow: a laptop does not push to everybody's main.
    """
    if not actions.running():
        raise PipelineError(
            "the desired state of a deployed environment is changed by the workflows alone",
            next_step="merge a pull request, or start promote.yml or rollback.yml on GitHub",
        )
    tokens = (os.environ.get(name) for name in ("RELEASE_TOKEN", "GITHUB_TOKEN"))
    return Desired("origin", token=next(filter(None, tokens), None))


def set_note(desired: Desired, commit: str, changed: Callable[[str], str]) -> None:
    """Changes the note of a commit and pushes it; anew when somebody else pushes one in between."""

    def made(_tip: str) -> str | None:
        shown = ("log", "-1", "--format=%N", f"--notes={NOTES}", commit)
        before = git.run(*shown, root=desired.root).strip()
        after = changed(before)
        if after == before:
            return None
        add = ("notes", f"--ref={NOTES}", "add", "--force", "--file=-", commit)
        git.run(*add, root=desired.root, stdin=after, env=git.IDENTITY)
        return NOTES

    desired.pushed(made, NOTES)


def verification(engines: Iterable[str], now: datetime) -> str:
    """The note of a commit that is verified on these engines."""
    return f"verified {now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00 on {', '.join(engines)}"


def verified_on(note: str) -> tuple[datetime | None, str]:
    """When a note says that its commit was verified, and on which engines, such as ``ecs, kubernetes``."""
    match = VERIFIED.fullmatch(note)
    return (datetime.fromisoformat(match[1]), match[2]) if match else (None, "")


def log(
    fields: Sequence[str], *arguments: str, root: Path, stdin: str | None = None
) -> list[list[str]]:
    """The fields of each commit, and behind them what Git prints of its changes; no text of a commit holds a zero."""
    form = "%x00".join(("", *fields, ""))
    listed = git.run("log", f"--format={form}", *arguments, root=root, stdin=stdin)
    _, *parts = listed.split("\0")
    width = len(fields) + 1
    return [parts[start : start + width] for start in range(0, len(parts), width)]


def line(key: str, text: str) -> str:
    """A trailer's value, wherever in a message it stands: GitHub puts it among other lines when it squashes.

    A rollback has a line for each commit that it left.
    """
    return " ".join(re.findall(rf"^{key}: (.+)$", text, re.MULTILINE))


def passing(error: Exception) -> bool:
    """Whether the remote or the network had an error that is over by itself."""
    return isinstance(error, CommandFailedError) and bool(PASSING.search("\n".join(error.tail)))


def moved(error: CommandFailedError) -> bool:
    """Whether a push was refused because somebody else pushed in between."""
    refusal = "\n".join(error.tail)
    return re.search(r"non-fast-forward|fetch first|cannot lock ref", refusal) is not None
