"""The release of an environment in Git: read from a commit, changed by a commit, never by anything else."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions, api
from pipeline.releases.image_reference import ImageReference, require_digest

#: How often a commit is made anew because somebody else pushed in between.
ATTEMPTS = 5
#: Names the commit that an image was built from, in the message of the commit that releases it.
SOURCE = "Source-Commit"
#: Names each commit that a rollback left, in its message.
REVERTS = "Reverts"
#: Notes of commits that did not become healthy on this machine, and their text.
NOTES, FAILED = "delivery", "failed"
#: GitHub starts no workflow for a push whose newest commit has this anywhere in its message: a digest's commit builds
#: nothing. It stands in the body: a revert quotes the subject, and must build.
NO_BUILD = "[skip ci]"


@dataclass(frozen=True)
class Desired:
    """Where the desired state lives: a remote (name or URL), its branch, and a token when it needs one."""

    remote: str
    branch: str = "main"
    token: str | None = None
    root: Path = ROOT

    def tip(self) -> str:
        """The newest commit of the branch, fetched now."""
        return git.fetch(self.branch, remote=self.remote, token=self.token, root=self.root)

    def push(self, commit: str, branch: str) -> None:
        """Pushes a commit to a branch; raises CommandFailedError when the remote refuses."""
        git.push(commit, remote=self.remote, branch=branch, token=self.token, root=self.root)


@dataclass(frozen=True)
class Release:
    """A commit of an environment's file. ``content`` is the file's, parsed: a comment makes no other state.

    ``source`` is the commit that the image was built from; ``reverts`` are the commits that a rollback left; ``failed``
    says that it did not become healthy on this machine.
    """

    commit: str
    text: str
    content: dict[str, Any]
    subject: str
    source: str
    reverts: Sequence[str]
    failed: bool

    @property
    def digest(self) -> str | None:
        """The image's digest, None where nothing is released."""
        digest: str | None = self.content["image"]["digest"]
        return digest


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


def message(
    subject: str,
    image: ImageReference,
    *,
    source: str = "",
    reverted: Iterable[Release] = (),
    starts_workflows: bool = False,
) -> str:
    """The message of a commit that changes a digest; its trailers name what led to it."""
    lines = [subject, "", *(() if starts_workflows else (NO_BUILD, "")), f"Image: {image}"]
    if source:
        lines.append(f"{SOURCE}: {source}")
    lines += [f"{REVERTS}: {release.commit} ({release.subject})" for release in reverted]
    if actions.run_url():
        attempt = os.environ.get("GITHUB_RUN_ATTEMPT", "1")
        lines.append(f"Run: {actions.run_url()} (attempt {attempt})")
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
    fields = ("%H", "%s", *(_trailer(key) for key in (SOURCE, REVERTS)), "%N%x1e")
    listed = git.run(
        *("log", f"-{limit}", "--first-parent", f"--format={'%x1f'.join(fields)}"),
        f"--notes={NOTES}",
        *(tip, "--", path(environment)),
        root=root,
    )
    releases: list[Release] = []
    for entry in listed.split("\x1e")[:-1]:
        commit, subject, source, reverts, note = entry.strip("\n").split("\x1f")
        text = git.show(commit, path(environment), root=root)
        content = YAML(typ="safe").load(text)
        left = re.findall(r"\b[0-9a-f]{40}\b", reverts)
        failed = note.strip() == FAILED
        releases.append(Release(commit, text, content, subject, source.strip(), left, failed))
    return releases


def history(tip: str, environment: str, *, root: Path = ROOT, limit: int = 100) -> list[Release]:
    """The commits that set the environment's digest, newest first; those that left it as it was are not among them."""
    releases: list[Release] = []
    for release in commits(tip, environment, root=root, limit=limit):
        if releases and releases[-1].digest == release.digest:
            releases[-1] = release  # the older commit is the one that set it
        else:
            releases.append(release)
    return releases


def present(releases: Sequence[Release]) -> list[Release]:
    """The newest commits that name the present state: all that a rollback leaves."""
    return list(takewhile(lambda release: release.content == releases[0].content, releases))


def earlier(releases: Sequence[Release]) -> Release | None:
    """The newest state before the present one that has an image; what failed or was rolled back does not count."""
    contents = {release.commit: release.content for release in releases}
    left = [releases[0].content]
    for release in releases:
        if release.digest and not release.failed and release.content not in left:
            return release
        left += [contents[commit] for commit in release.reverts if commit in contents]
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
    for attempt in range(1, ATTEMPTS + 1):
        tip = desired.tip()
        check(tip)
        before = git.show(tip, path(environment), root=desired.root)
        after = changed(before)
        if after == before:
            return None
        commit = _commit(desired, environment, after, tip, message)
        try:
            desired.push(commit, desired.branch)
        except CommandFailedError as error:
            if attempt < ATTEMPTS and _moved(error):
                continue
            raise PipelineError(
                f"the commit of the digest was refused: {error.tail[-1] if error.tail else error.cause}",
                next_step="check that the release app may bypass the rules of the branch (docs/github.md)",
            ) from error
        return commit
    raise AssertionError("the last attempt either returns or raises")


def propose(
    desired: Desired, environment: str, text: str, *, branch: str, tip: str, message: str
) -> None:
    """Pushes the file's new text to a branch of its own, as a commit; one that is there already is left as it is."""
    try:
        desired.push(_commit(desired, environment, text, tip, message), branch)
    except CommandFailedError as error:
        if not _moved(error):
            raise


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


def _trailer(key: str) -> str:
    return f"%(trailers:key={key},valueonly,separator=%x20)"


def _moved(error: CommandFailedError) -> bool:
    refusal = "\n".join(error.tail)
    return re.search(r"non-fast-forward|fetch first|cannot lock ref", refusal) is not None
