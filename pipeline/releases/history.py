"""The digest of an environment in Git: read from a commit, changed by a commit, never by anything else."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions
from pipeline.releases.image_reference import ImageReference, require_digest

#: How often a commit is made anew because somebody else pushed in between.
ATTEMPTS = 5
#: Names the commit that an image was built from, in the message of the commit that releases it.
SOURCE = "Source-Commit"
#: GitHub starts no workflow for a push whose newest commit says this: a digest's commit builds nothing.
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
    """One state of an environment's digest in the history: the commit that set it, and what that commit says."""

    commit: str
    digest: str | None
    subject: str
    source: str


def on_github() -> Desired:
    """The repository that the workflow runs in; RELEASE_TOKEN may push to its branch.

    Raises:
        PipelineError: This is not a workflow: a laptop does not push to everybody's main.
    """
    if not actions.running():
        raise PipelineError(
            "the desired state of a deployed environment is changed by the workflows alone",
            next_step="merge a pull request, or start promote.yml or rollback.yml on GitHub",
        )
    return Desired("origin", token=os.environ.get("RELEASE_TOKEN") or None)


def path(environment: str) -> str:
    """The environment's file, relative to the root."""
    return f"environments/{environment}.yaml"


def digest_in(text: str) -> str | None:
    """The image digest in the text of an environment file, or None when nothing has been released."""
    digest = YAML(typ="safe").load(text)["image"]["digest"]
    return None if digest is None else str(digest)


def with_digest(text: str, digest: str) -> str:
    """The text with another digest; exactly that one line differs.

    Raises:
        PipelineError: The digest is none, or the text has no ``image.digest``.
    """
    require_digest(digest)
    try:
        number, column = YAML().load(text)["image"].lc.value("digest")
    except (KeyError, TypeError, AttributeError) as error:
        raise PipelineError(
            "the environment file has no image.digest", next_step="add `digest: null` under image"
        ) from error
    lines = text.splitlines(keepends=True)
    # A remark such as “nothing released yet” belonged to the old value.
    lines[number] = f"{lines[number][:column]}{digest}\n"
    return "".join(lines)


def message(
    subject: str,
    image: ImageReference,
    *,
    source: str = "",
    reverted: Release | None = None,
    starts_workflows: bool = False,
) -> str:
    """The message of a commit that changes a digest; its trailers name what led to it.

    Args:
        source: The commit that the image was built from.
    """
    lines = [subject if starts_workflows else f"{subject} {NO_BUILD}", "", f"Image: {image}"]
    if source:
        lines.append(f"{SOURCE}: {source}")
    if reverted:
        lines.append(f"Reverts: {reverted.commit} ({reverted.subject})")
    if actions.run_url():
        attempt = os.environ.get("GITHUB_RUN_ATTEMPT", "1")
        lines.append(f"Run: {actions.run_url()} (attempt {attempt})")
    return "\n".join(lines) + "\n"


def at(revision: str, environment: str, *, root: Path = ROOT) -> str | None:
    """The digest that a commit names for an environment."""
    return digest_in(git.show(revision, path(environment), root=root))


def history(tip: str, environment: str, *, root: Path = ROOT, limit: int = 100) -> list[Release]:
    """The states of the environment's digest, newest first; commits that left it as it was are not among them."""
    listed = git.run(
        *("log", f"-{limit}", "--first-parent"),
        f"--format=%H%x1f%s%x1f%(trailers:key={SOURCE},valueonly,separator=%x2C)",
        *(tip, "--", path(environment)),
        root=root,
    )
    releases: list[Release] = []
    for line in listed.splitlines():
        commit, subject, source = line.split("\x1f")
        release = Release(commit, at(commit, environment, root=root), subject, source.strip())
        if releases and releases[-1].digest == release.digest:
            releases[-1] = release  # the older commit is the one that set it
        else:
            releases.append(release)
    return releases


def set_digest(
    desired: Desired,
    environment: str,
    digest: str,
    *,
    message: str,
    check: Callable[[str], None] = lambda _tip: None,
) -> str | None:
    """Commits a digest on top of the branch and pushes it; made anew when somebody else pushes in between.

    Args:
        check: Called with the tip before each attempt; raises PipelineError to refuse.

    Returns:
        The commit, or None when the branch names that digest already.

    Raises:
        PipelineError: Refused by ``check`` or by the remote.
    """
    for attempt in range(1, ATTEMPTS + 1):
        tip = desired.tip()
        check(tip)
        if at(tip, environment, root=desired.root) == digest:
            return None
        commit = _commit(desired, environment, digest, tip, message)
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
    desired: Desired, environment: str, digest: str, *, branch: str, tip: str, message: str
) -> None:
    """Pushes a commit with a digest to a branch of its own; a branch that is there already is left as it is.

    Raises:
        CommandFailedError: The remote refused the branch for another reason.
    """
    try:
        desired.push(_commit(desired, environment, digest, tip, message), branch)
    except CommandFailedError as error:
        if not _moved(error):
            raise


def _commit(desired: Desired, environment: str, digest: str, tip: str, message: str) -> str:
    file = path(environment)
    text = with_digest(git.show(tip, file, root=desired.root), digest)
    return git.commit_files({file: text}, parent=tip, message=message, root=desired.root)


def _moved(error: CommandFailedError) -> bool:
    refusal = "\n".join(error.tail)
    return re.search(r"non-fast-forward|fetch first|cannot lock ref", refusal) is not None
