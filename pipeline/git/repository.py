"""What the tasks ask of Git: files and the revision. Nothing here changes the user's branch, index or work tree."""

import base64
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core import process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT


def files(*patterns: str, root: Path = ROOT) -> list[Path]:
    """The files that are tracked, or untracked and not ignored, and that exist; sorted, absolute.

    Args:
        patterns: Git path patterns such as ``*.py`` or ``app/``; none means all.
    """
    listed = process.capture(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=root,
    )
    found = {root / name for name in listed.split("\0") if name}
    return sorted(path for path in found if path.is_file())


def revision(root: Path = ROOT) -> str:
    """The full commit id of HEAD."""
    return process.capture(["git", "rev-parse", "HEAD"], cwd=root).strip()


def is_dirty(*paths: str, root: Path = ROOT) -> bool:
    """Whether the work tree (or what lies under the paths) differs from HEAD; untracked files count."""
    return bool(process.capture(["git", "status", "--porcelain", "--", *paths], cwd=root).strip())


def committed_at(revision: str = "HEAD", *, root: Path = ROOT) -> datetime:
    """When a commit was made, in UTC."""
    stamp = process.capture(["git", "log", "-1", "--format=%ct", revision], cwd=root)
    return datetime.fromtimestamp(int(stamp), UTC)


def release_tag(*, root: Path = ROOT) -> str | None:
    """The version tag (``v1.2.3``) of HEAD itself, if it has one; the highest of several."""
    listed = process.capture(
        ["git", "tag", "--points-at", "HEAD", "--sort=-version:refname", "--list", "v[0-9]*"],
        cwd=root,
    )
    return listed.splitlines()[0] if listed.strip() else None


def web_address(*, root: Path = ROOT) -> str:
    """Where people read the repository (its origin as an https address, without credentials); maybe empty."""
    try:
        origin = process.capture(["git", "remote", "get-url", "origin"], cwd=root).strip()
    except CommandFailedError:
        return ""
    found = re.fullmatch(
        r"(?:https?://(?:[^/@]+@)?|ssh://(?:[^/@]+@)?|git@)([^/:]+)(?::\d+)?[:/](.+?)(?:\.git)?/?",
        origin,
    )
    return f"https://{found[1]}/{found[2]}" if found else ""


def content_key(paths: Sequence[Path], *extra: str, root: Path = ROOT) -> str:
    """A SHA-256 over names and contents of files, and over further words; the same work tree gives the same key."""
    digest = hashlib.sha256()
    for word in extra:
        digest.update(f"{word}\0".encode())
    for path in sorted(paths):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def changed(since: str, until: str = "HEAD", *, root: Path = ROOT) -> list[str]:
    """The paths that differ between two revisions, a renamed file under both names; sorted, relative to the root."""
    listed = process.capture(
        ["git", "diff", "--name-only", "--no-renames", "-z", since, until, "--"], cwd=root
    )
    return sorted(name for name in listed.split("\0") if name)


def show(revision: str, path: str, *, root: Path = ROOT) -> str:
    """The text of a file in a commit; raises CommandFailedError when it is not there."""
    return process.capture(["git", "show", f"{revision}:{path}"], cwd=root)


def resolve(revision: str, *, root: Path = ROOT) -> str:
    """The full commit id that a name, tag, branch or short id stands for.

    Raises:
        PipelineError: There is no such commit.
    """
    try:
        return process.capture(
            [
                "git",
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{revision}^{{commit}}",
            ],
            cwd=root,
        ).strip()
    except CommandFailedError as error:
        raise PipelineError(
            f"there is no commit {revision!r}", next_step="choose one that git log shows"
        ) from error


def is_ancestor(older: str, newer: str, *, root: Path = ROOT) -> bool:
    """Whether ``newer`` contains ``older`` (a commit contains itself)."""
    try:
        process.capture(["git", "merge-base", "--is-ancestor", older, newer], cwd=root)
    except CommandFailedError as error:
        if error.code == 1:
            return False
        raise
    return True


def commit_files(
    changes: Mapping[str, str], *, parent: str, message: str, root: Path = ROOT
) -> str:
    """Makes a commit on top of ``parent`` that gives the named files new text, and returns its id.

    Branch, index and work tree stay as they are: the commit is an object that only its id names until it is pushed.
    """
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}

        def git(*arguments: str, stdin: str | None = None) -> str:
            return process.capture(["git", *arguments], cwd=root, env=environ, stdin=stdin).strip()

        git("read-tree", parent)
        for path, text in changes.items():
            blob = git("hash-object", "-w", "--stdin", stdin=text)
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = git("write-tree")
        return _commit_tree(tree, [parent], message, root=root)


def push(
    commit: str, *, remote: str, branch: str, token: str | None = None, root: Path = ROOT
) -> None:
    """Pushes a commit to a branch of a remote (its name or URL), never by force.

    Args:
        token: A GitHub token for an HTTPS remote; it travels in the environment, not on the command line.

    Raises:
        CommandFailedError: The remote refused, for instance because the branch has moved on.
    """
    process.capture(
        ["git", "push", "--quiet", remote, f"{commit}:refs/heads/{branch}"],
        cwd=root,
        env=_with_token(token),
        next_step="fetch, and run this again",
    )


def fetch(
    branch: str, *, remote: str = "origin", token: str | None = None, root: Path = ROOT
) -> str:
    """Fetches a branch and returns its newest commit's id; the user's own branches stay as they are."""
    process.capture(
        [
            "git",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            remote,
            f"+refs/heads/{branch}:{_seen(branch)}",
        ],
        cwd=root,
        env=_with_token(token),
        next_step="check the network and the remote",
    )
    return resolve(_seen(branch), root=root)


def _seen(branch: str) -> str:
    return f"refs/pipeline/{branch}"


def _with_token(token: str | None) -> dict[str, str]:
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    if token:
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        count = int(environ.get("GIT_CONFIG_COUNT", "0"))
        server = environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
        environ["GIT_CONFIG_COUNT"] = str(count + 1)
        environ[f"GIT_CONFIG_KEY_{count}"] = f"http.{server}/.extraheader"
        environ[f"GIT_CONFIG_VALUE_{count}"] = f"Authorization: basic {basic}"
    return environ


def snapshot(message: str, *, root: Path = ROOT) -> str:
    """A commit of the work tree as it is, new files included, on top of HEAD; HEAD itself when nothing differs.

    Branch, index and work tree stay as they are.
    """
    if not is_dirty(root=root):
        return revision(root)
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, **_identity(), "GIT_INDEX_FILE": str(Path(folder) / "index")}
        for arguments in (["read-tree", "HEAD"], ["add", "--all"]):
            process.capture(["git", *arguments], cwd=root, env=environ)
        tree = process.capture(["git", "write-tree"], cwd=root, env=environ).strip()
        return _commit_tree(tree, ["HEAD"], message, root=root)


def merge(base: str, change: str, *, root: Path = ROOT) -> str:
    """The merge commit of a change into its base, as GitHub makes it for a pull request; no branch is moved.

    Raises:
        CommandFailedError: They conflict.
    """
    tree = process.capture(
        ["git", "merge-tree", "--write-tree", base, change], cwd=root
    ).splitlines()[0]
    return _commit_tree(tree, [base, change], f"Merge {change} into {base}", root=root)


def _commit_tree(tree: str, parents: Sequence[str], message: str, *, root: Path) -> str:
    options = [word for parent in parents for word in ("-p", parent)]
    return process.capture(
        ["git", "commit-tree", tree, *options, "-F", "-"],
        cwd=root,
        env={**os.environ, **_identity()},
        stdin=message,
    ).strip()


def _identity() -> dict[str, str]:
    """Who makes the pipeline's own commits."""
    name, address = "ecs-saas-app pipeline", "pipeline@users.noreply.github.com"
    return {
        f"GIT_{role}_{kind}": value
        for role in ("AUTHOR", "COMMITTER")
        for kind, value in (("NAME", name), ("EMAIL", address))
    }


def subjects(since: str | None, until: str, *, root: Path = ROOT) -> list[str]:
    """The first lines of the commits' messages, newest first, along the branch itself; all of it when since is None."""
    span = f"{since}..{until}" if since else until
    listed = process.capture(["git", "log", "--first-parent", "--format=%s", span, "--"], cwd=root)
    return listed.splitlines()
