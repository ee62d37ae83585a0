"""The Git repository. Nothing here changes the user's branch, index or work tree."""

import base64
import hashlib
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core import process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT

#: Variables of Git for access to a remote. The others, which Git sets for its hooks, lead to the user's repository.
KEPT_VARIABLES = ("GIT_SSL_", "GIT_SSH", "GIT_ASKPASS", "GIT_HTTP_", "GIT_PROXY_", "GIT_CONFIG_")
#: Name and address.
Author = tuple[str, str]
#: Of the pipeline's own commits, where no app makes them.
PIPELINE: Author = ("delivery pipeline", "pipeline@users.noreply.github.com")


def identity(author: Author = PIPELINE) -> dict[str, str]:
    """Git's variables for the author and committer of a commit."""
    roles = ("AUTHOR", "COMMITTER")
    fields = dict(zip(("NAME", "EMAIL"), author, strict=True))
    return {f"GIT_{role}_{field}": text for role in roles for field, text in fields.items()}


IDENTITY = identity()


def environment() -> dict[str, str]:
    """This process's environment without Git's variables, but for those of access to a remote."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(KEPT_VARIABLES)
    }


def run(
    *arguments: str | Path,
    root: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    next_step: str = "run the command by hand to see more",
) -> str:
    """The output of a Git command, with ``env`` on top of ``environment``; raises CommandFailedError."""
    return process.capture(
        ["git", *arguments],
        cwd=root,
        env={**environment(), **(env or {})},
        stdin=stdin,
        next_step=next_step,
    )


def files(*patterns: str, root: Path = ROOT) -> list[Path]:
    """The existing files that are tracked, or untracked and not ignored; sorted, absolute; all without patterns."""
    listed = run(
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns, root=root
    )
    paths = {root / name for name in listed.split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def copy(sources: Sequence[Path], into: Path, *, root: Path = ROOT) -> None:
    """Copies files of the repository into a folder, links as links."""
    for source in sources:
        target = into / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def revision(root: Path = ROOT) -> str:
    """The full commit id of HEAD."""
    return run("rev-parse", "HEAD", root=root).strip()


def is_dirty(*, root: Path = ROOT) -> bool:
    """Whether the work tree differs from HEAD; untracked files count, whatever the user's settings are."""
    return bool(run("status", "--porcelain", "--untracked-files=normal", root=root).strip())


def committed(*paths: str, root: Path = ROOT) -> dict[str, str]:
    """The blob ids of HEAD's files below the paths, by name; links are left out."""
    listed = run("ls-tree", "-r", "-z", "HEAD", "--", *paths, root=root).split("\0")
    entries = (entry.partition("\t") for entry in listed if entry and not entry.startswith("12"))
    return {name: about.split()[2] for about, _, name in entries}


def hashed(paths: Sequence[Path], *, root: Path = ROOT) -> dict[str, str]:
    """The blob ids that files would have in a commit now, by name; links are left out."""
    names = [str(path.relative_to(root)) for path in paths if not path.is_symlink()]
    ids = run("hash-object", "--stdin-paths", root=root, stdin="\n".join(names))
    return dict(zip(names, ids.split(), strict=True))


def committed_at(revision: str = "HEAD", *, root: Path = ROOT) -> datetime:
    """When a commit was made, in UTC."""
    return datetime.fromtimestamp(int(run("log", "-1", "--format=%ct", revision, root=root)), UTC)


def release_tag(*, root: Path = ROOT) -> str | None:
    """The version tag (``v1.2.3``) of HEAD itself, if it has one; the highest of several, a release before its -rc."""
    options = ("--points-at", "HEAD", "--sort=-version:refname", "--list", "v[0-9]*")
    listed = run("-c", "versionsort.suffix=-", "tag", *options, root=root)
    return listed.splitlines()[0] if listed.strip() else None


def web_address(*, root: Path = ROOT) -> str:
    """The origin as an https address without credentials; empty where there is none."""
    origin = run("config", "--default", "", "remote.origin.url", root=root).strip()
    match = re.fullmatch(
        r"(?:https?://(?:[^/@]+@)?|ssh://(?:[^/@]+@)?|git@)([^/:]+)(?::\d+)?[:/](.+?)(?:\.git)?/?",
        origin,
    )
    return f"https://{match[1]}/{match[2]}" if match else ""


def content_key(paths: Sequence[Path], *extra: str, root: Path = ROOT) -> str:
    """A SHA-256 over further words and the names and contents of files."""
    digest = hashlib.sha256("".join(f"{word}\0" for word in extra).encode())
    for path in sorted(paths):
        name = path.relative_to(root) if path.is_relative_to(root) else path
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def changed(since: str, until: str = "HEAD", *, root: Path = ROOT) -> list[str]:
    """The paths that differ between two revisions, a renamed file under both names; sorted, relative to the root."""
    listed = run("diff", "--name-only", "--no-renames", "-z", since, until, "--", root=root)
    return sorted(name for name in listed.split("\0") if name)


def changed_since(revision: str, *, root: Path = ROOT) -> list[str] | None:
    """The paths that have changed since a revision; None where it is not in the history, which may be shallow."""
    try:
        return changed(resolve(revision, root=root), root=root)
    except PipelineError:
        return None


def before_head(*, root: Path = ROOT) -> str:
    """The commit before HEAD; HEAD itself where the history has no other."""
    return run("rev-list", "--max-count=2", "--first-parent", "HEAD", root=root).split()[-1]


def show(revision: str, path: str, *, root: Path = ROOT) -> str:
    """The text of a file in a commit; raises CommandFailedError when it is not there."""
    return run("show", f"{revision}:{path}", root=root)


def last_change(revision: str, *paths: str, root: Path = ROOT) -> str:
    """The newest commit of a revision's branch that changed one of the paths; empty where none did."""
    listed = run("log", "-1", "--first-parent", "--format=%H", revision, "--", *paths, root=root)
    return listed.strip()


def export(revision: str, into: Path, *paths: str, root: Path = ROOT) -> None:
    """Writes a commit's files below the paths into a folder that does not exist; all of them, or none."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as folder:
        archive, unpacked = Path(folder) / "archive", Path(folder) / "unpacked"
        run("archive", "--format=tar", f"--output={archive}", revision, "--", *paths, root=root)
        with tarfile.open(archive) as content:
            content.extractall(unpacked, filter="data")
        unpacked.replace(into)


def resolve(revision: str, *, root: Path = ROOT) -> str:
    """The full commit id of a name, tag, branch or short id; raises PipelineError where there is no such commit."""
    options = ("--verify", "--quiet", "--end-of-options")
    try:
        return run("rev-parse", *options, f"{revision}^{{commit}}", root=root).strip()
    except CommandFailedError as error:
        raise PipelineError(
            f"there is no commit {revision!r}", next_step="choose one that git log shows"
        ) from error


def is_ancestor(older: str, newer: str, *, root: Path = ROOT) -> bool:
    """Whether ``newer`` contains ``older`` (a commit contains itself)."""
    return not run("rev-list", "--max-count=1", older, f"^{newer}", "--", root=root)


def subjects(since: str | None, until: str, *, root: Path = ROOT) -> list[str]:
    """The first lines of the commits' messages along the branch, newest first; of all commits when since is None."""
    span = f"{since}..{until}" if since else until
    return run("log", "--first-parent", "--format=%s", span, "--", root=root).splitlines()


def commit_files(
    changes: Mapping[str, str],
    *,
    parent: str,
    message: str,
    author: Author = PIPELINE,
    root: Path = ROOT,
) -> str:
    """The id of a new commit on top of ``parent`` that gives the named files new text; no branch names it."""
    blobs = {
        path: run("hash-object", "-w", "--stdin", root=root, stdin=text).strip()
        for path, text in changes.items()
    }
    entries = "".join(f"100644 {blob}\t{path}\n" for path, blob in blobs.items())
    change = ("update-index", "--index-info")
    return _commit_index(parent, message, *change, author=author, stdin=entries, root=root)


def snapshot(message: str, *, root: Path = ROOT) -> str:
    """A commit of the work tree as it is, new files included, on top of HEAD; HEAD itself when nothing differs."""
    dirty = is_dirty(root=root)
    return _commit_index("HEAD", message, "add", "--all", root=root) if dirty else revision(root)


def merge(base: str, change: str, *, root: Path = ROOT) -> str:
    """The merge of a change into its base, as on GitHub; no branch moves. Raises CommandFailedError on a conflict."""
    tree = run("merge-tree", "--write-tree", base, change, root=root).splitlines()[0]
    return _commit_tree(tree, [base, change], f"Merge {change} into {base}", root=root)


def push(
    commit: str,
    *,
    remote: str,
    ref: str,
    token: str | None = None,
    root: Path = ROOT,
    replace: bool = False,
) -> None:
    """Pushes a commit to a full ref of a remote (its name or URL); raises CommandFailedError.

    Only with ``replace`` what the ref has is lost.
    """
    run(
        *("push", "--quiet", remote, f"{'+' * replace}{commit}:{ref}"),
        root=root,
        env=_access(token),
        next_step="fetch, and run this again",
    )


def fetch(
    branch: str, *also: str, remote: str = "origin", token: str | None = None, root: Path = ROOT
) -> str:
    """Fetches a branch, and what ``also`` maps, and returns its newest commit's id; the user's branches stay."""
    if re.fullmatch(r"[\w-]+", remote) and remote not in run("remote", root=root).split():
        raise PipelineError(
            f"this clone has no remote {remote!r}", next_step=f"git remote add {remote} ADDRESS"
        )
    copy = f"refs/pipeline/{branch}"
    run(
        *("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", remote),
        *(f"+refs/heads/{branch}:{copy}", *also),
        root=root,
        env=_access(token),
        next_step="check the network and the remote",
    )
    return resolve(copy, root=root)


def _commit_index(
    parent: str,
    message: str,
    *change: str,
    root: Path,
    author: Author = PIPELINE,
    stdin: str | None = None,
) -> str:
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        run("read-tree", parent, root=root, env=index)
        run(*change, root=root, env=index, stdin=stdin)
        tree = run("write-tree", root=root, env=index).strip()
    return _commit_tree(tree, [parent], message, author=author, root=root)


def _commit_tree(
    tree: str, parents: Sequence[str], message: str, *, root: Path, author: Author = PIPELINE
) -> str:
    argv = ["commit-tree", tree, *(f"-p{parent}" for parent in parents), "-F", "-"]
    return run(*argv, root=root, env=identity(author), stdin=message).strip()


def _access(token: str | None) -> dict[str, str]:
    variables = {"GIT_TERMINAL_PROMPT": "0"}
    if token:
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
        variables["GIT_CONFIG_COUNT"] = str(count + 1)
        variables[f"GIT_CONFIG_KEY_{count}"] = f"http.{server}/.extraheader"
        variables[f"GIT_CONFIG_VALUE_{count}"] = f"Authorization: basic {basic}"
    return variables
