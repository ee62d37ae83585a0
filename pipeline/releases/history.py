"""The release of an environment in Git: read from a commit, changed by a commit, never by anything else."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions, api
from pipeline.releases import one_way
from pipeline.releases.desired import FAILED, NOTES, Desired, line, log, verified_on
from pipeline.releases.image_reference import ImageReference, require_digest

#: Names the commit that an image was built from, in the message of the commit that releases it.
SOURCE = "Source-Commit"
#: Names each commit that a rollback left, in its message.
REVERTS = "Reverts"
#: Why a promotion was made all the same, in the message of its commit.
OVERRIDE = "Override"
#: Why a rollback was made, in its message.
REASON = "Reason"
#: The workflow run that made a commit, in its message.
RUN = "Run"
COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
#: Sections of an environment's file that say what may change and run there, not what does.
CONDITIONS = ("promotion", "smoke", "admission")
#: GitHub starts no workflow for a push whose newest commit has this anywhere in its message: a digest's commit builds
#: nothing. It stands in the body: a revert quotes the subject, and must build.
NO_BUILD = "[skip ci]"


@dataclass(frozen=True)
class Release:
    """A commit of an environment's file. ``content`` is the file's, parsed: a comment makes no other state.

    ``source`` is the commit that the image was built from; ``reverts`` are the commits that a rollback left.
    """

    commit: str
    text: str
    content: dict[str, Any]
    subject: str
    committed: datetime
    source: str = ""
    reverts: Sequence[str] = ()
    override: str = ""
    run: str = ""
    note: str = ""

    @property
    def digest(self) -> str | None:
        """The image's digest, None where nothing is released."""
        digest: str | None = self.content["image"]["digest"]
        return digest

    @property
    def state(self) -> dict[str, Any]:
        """What a rollback would change of it: all but the conditions for a change, and what only goes one way."""
        return one_way.without(state(self.content))

    @property
    def ours(self) -> bool:
        """Whether this run of a workflow made it, in this attempt or an earlier one."""
        return bool(actions.run_url()) and self.run.startswith(f"{actions.run_url()} ")

    @property
    def failed(self) -> bool:
        """Whether it did not become healthy on this machine."""
        return self.note == FAILED

    @property
    def verified(self) -> datetime | None:
        """When it was verified on every engine of its environment."""
        return verified_on(self.note)[0]

    @property
    def engines(self) -> str:
        """Those on which it was verified, such as ``ecs, kubernetes``; empty where it was not."""
        return verified_on(self.note)[1]


def state(content: Mapping[str, Any]) -> dict[str, Any]:
    """What an environment file's content says runs: all but the conditions for a change."""
    return {key: value for key, value in content.items() if key not in CONDITIONS}


def path(environment: str) -> str:
    """The environment's file, relative to the root."""
    return f"environments/{environment}.yaml"


def with_digest(text: str, digest: str) -> str:
    """The text with another digest: that one line differs. Raises PipelineError where it has no ``image.digest``."""
    require_digest(digest)
    try:
        return _with_value(text, YAML().load(text)["image"], "digest", digest)
    except (KeyError, TypeError, AttributeError) as error:
        raise PipelineError(
            "the environment file has no image.digest", next_step="add `digest: null` under image"
        ) from error


def with_revision(text: str, revision: str | None) -> str:
    """The text with another promoted revision; as it is where the file has no ``revision``, and so follows main."""
    content = YAML().load(text)
    return _with_value(text, content, "revision", revision) if "revision" in content else text


def with_conditions(text: str, present: str) -> str:
    """The text with ``CONDITIONS`` and what only goes one way as another one has them: no freeze is taken back."""
    for name in CONDITIONS:
        lines, kept = text.splitlines(keepends=True), present.splitlines(keepends=True)
        old, new = (_section(each, name) for each in (text, present))
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines[old] = ["".join(kept[new]).rstrip("\n") + "\n"] if kept[new] else []
        text = "".join(lines)
    return one_way.kept(text, present)


def _section(text: str, name: str) -> slice:
    """The lines of a key with what is in it, without remarks about the next key; the end where there is no such key."""
    lines, content = text.splitlines(), YAML().load(text)
    if name not in content:
        return slice(len(lines), len(lines))
    start: int = content.lc.key(name)[0]
    later = (content.lc.key(key)[0] for key in content)
    end = min((line for line in later if line > start), default=len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return slice(start, end)


def message(
    subject: str,
    image: ImageReference,
    *,
    source: str = "",
    reverted: Iterable[Release] = (),
    override: str = "",
    reason: str = "",
    starts_workflows: bool = False,
) -> str:
    """The message of a commit that changes a digest; its trailers name what led to it."""
    lines = [subject, "", *(() if starts_workflows else (NO_BUILD, "")), f"Image: {image}"]
    if source:
        lines.append(f"{SOURCE}: {source}")
    lines += [f"{REVERTS}: {release.commit} ({release.subject})" for release in reverted]
    lines += [f"{key}: {text}" for key, text in ((OVERRIDE, override), (REASON, reason)) if text]
    if actions.run_url():
        attempt = os.environ.get("GITHUB_RUN_ATTEMPT", "1")
        lines.append(f"{RUN}: {actions.run_url()} (attempt {attempt})")
    return "\n".join(lines) + "\n"


def at(revision: str, environment: str, *, root: Path = ROOT) -> dict[str, Any]:
    """The content of an environment's file in a commit."""
    content: dict[str, Any] = YAML(typ="safe").load(
        git.show(revision, path(environment), root=root)
    )
    return content


def contains(source: Desired, later: str, revision: str, environment: str) -> bool:
    """Whether a commit is a release's own, or a later one of the branch that still names its digest."""
    if later == revision:
        return True
    root = source.root
    source.tip()
    with suppress(CommandFailedError):  # where it is a commit of another branch
        if git.is_ancestor(revision, later, root=root):
            images = [at(each, environment, root=root)["image"] for each in (later, revision)]
            return bool(images[0] == images[1])
    return False


def commits(tip: str, environment: str, *, root: Path = ROOT, limit: int = 100) -> list[Release]:
    """The commits of the environment's file, newest first."""
    listed = log(
        ("%H", "%s", "%ct", "%B", "%N"),
        *(f"-{limit}", "--first-parent", f"--notes={NOTES}", tip, "--", path(environment)),
        root=root,
    )
    releases: list[Release] = []
    for commit, subject, seconds, body, note, _ in listed:
        text = git.show(commit, path(environment), root=root)
        made, left = datetime.fromtimestamp(int(seconds), UTC), COMMIT.findall(line(REVERTS, body))
        about = (commit, text, YAML(typ="safe").load(text), subject, made)
        source, override, ran = (line(key, body) for key in (SOURCE, OVERRIDE, RUN))
        releases.append(Release(*about, source, left, override, ran, note.strip()))
    return releases


def history(tip: str, environment: str, *, root: Path = ROOT) -> list[Release]:
    """The commits that set the environment's digest, newest first."""
    return setting(commits(tip, environment, root=root))


def setting(commits: Iterable[Release]) -> list[Release]:
    """Of an environment's commits those that set its digest; those that left it as it was are not among them."""
    releases: list[Release] = []
    for release in commits:
        if releases and releases[-1].digest == release.digest:
            releases[-1] = release  # the older commit is the one that set it
        else:
            releases.append(release)
    return releases


def present(releases: Sequence[Release]) -> list[Release]:
    """The newest commits that name the present state: all that a rollback leaves."""
    return list(takewhile(lambda release: release.state == releases[0].state, releases))


def earlier(releases: Sequence[Release]) -> Release | None:
    """The newest state before the present one that has an image; what failed or was rolled back does not count."""
    states = {release.commit: release.state for release in releases}
    left = [releases[0].state]
    for release in releases:
        if release.digest and not release.failed and release.state not in left:
            return release
        left += [states[commit] for commit in release.reverts if commit in states]
    return None


def set_text(
    desired: Desired,
    environment: str,
    changed: Callable[[str], str],
    *,
    message: str,
    check: Callable[[str], None] = lambda _tip: None,
) -> str | None:
    """Commits the environment's file on top of the branch and pushes it; anew when somebody else pushes in between.

    Before each attempt ``check`` gets the tip and may refuse it. Returns None where ``changed`` changes nothing.
    """

    def made(tip: str) -> str | None:
        check(tip)
        before = git.show(tip, path(environment), root=desired.root)
        after = changed(before)
        if after == before:
            return None
        return _commit(desired, environment, after, tip, message)

    return desired.pushed(made, f"refs/heads/{desired.branch}")


def propose(
    desired: Desired, environment: str, text: str, *, branch: str, tip: str, message: str
) -> None:
    """Pushes the file's new text as a commit to a branch of its own; an earlier proposal's is replaced."""
    commit = _commit(desired, environment, text, tip, message)
    desired.push(commit, f"refs/heads/{branch}", replace=True)


def _commit(desired: Desired, environment: str, text: str, tip: str, message: str) -> str:
    files = {path(environment): text}
    author = api.app() or git.PIPELINE
    return git.commit_files(files, parent=tip, message=message, author=author, root=desired.root)


def _with_value(text: str, parent: Any, key: str, value: str | None) -> str:
    """The text with another value of a key of one of its mappings, as ruamel has loaded that one."""
    if parent[key] == value:
        return text
    lines = text.splitlines(keepends=True)
    number, column = parent.lc.value(key)
    if parent[key] is None:  # an empty value has no place of its own
        number, column = parent.lc.key(key)
        column = lines[number].index(":", column) + 1
    line = lines[number]
    before = f"{line[:column]} " if parent[key] is None else line[:column]
    # A remark such as “nothing released yet” belonged to the old value.
    rest = re.sub(r"^[ \t]*[^\s,}#]*[ \t]*(#.*)?", "", line[column:])
    lines[number] = f"{before}{value or 'null'}{rest}"
    return "".join(lines)
