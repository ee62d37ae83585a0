"""The stand-in for GitHub on this machine: a bare repository that the local cluster's Argo CD reads.

A commit in it is made from the work tree as it is, without touching the user's branch, index or files. What is
released where (``image.digest`` in ``environments/<name>.yaml``) lives in the stand-in alone: it is moved by deploy,
promote and rollback, and a new commit of the work tree keeps it.
"""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from offline import programs
from pipeline.core import daemons, locks, ports, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ENGINES, ROOT
from pipeline.git import repository as git
from pipeline.releases import history as releases

FOLDER = ENGINES / "gitops"
BARE = FOLDER / "ecs-saas-app.git"
INDEX = FOLDER / "index"
BRANCH = "main"
DAEMON = "git"
AUTHOR = ("ecs-saas-app pipeline", "pipeline@users.noreply.github.com")
#: Argo CD's manifests come from this address in Git; here they come from the Go module, which is the same release.
UPSTREAM = "https://raw.githubusercontent.com/argoproj/argo-cd/{version}/manifests/"
#: Its name beside the kustomization that wants it: kustomize reads nothing outside of its folder.
VENDORED = "upstream.yaml"
PROBE_SECONDS = 1


def desired() -> releases.Desired:
    """Where the desired state lives on this machine; raises PipelineError when nothing was synced yet."""
    if not BARE.is_dir():
        raise PipelineError(
            "nothing has been synced on this machine yet",
            next_step="run ./inv deploy --to kubernetes first",
        )
    return releases.Desired(str(BARE), branch=BRANCH, root=BARE)


def url(host: str) -> str:
    """The repository as the cluster reaches it."""
    return f"git://{host}:{ports.GIT}/{BARE.name}"


def serve(host: str) -> None:
    """Serves the repository, read-only, on loopback and on the address that the cluster's pods see.

    Raises:
        PipelineError: The port is taken, or the server did not start.
    """
    _ensure()
    if not daemons.alive(DAEMON):
        ports.require_free(ports.GIT, "the Git stand-in")
    argv = [
        "git",
        "daemon",
        "--reuseaddr",
        "--export-all",
        f"--base-path={FOLDER}",
        f"--port={ports.GIT}",
    ]
    argv += ["--listen=127.0.0.1", f"--listen={host}", str(FOLDER)]
    daemons.start(
        DAEMON,
        argv,
        env=_environment(),
        ready=lambda: _answers("127.0.0.1") and _answers(host),
        timeout=10,
    )


def stop() -> bool:
    """Ends the server; True when one was running."""
    return daemons.stop(DAEMON)


def head() -> str | None:
    """The newest commit, or None when there is none."""
    if not BARE.is_dir():
        return None
    try:
        return _git("rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}").strip()
    except CommandFailedError:
        return None


def digest(environment: str) -> str | None:
    """The digest that the newest commit names for an environment; None when there is none."""
    tip = head()
    if tip is None:
        return None
    try:
        return releases.at(tip, environment, root=BARE)
    except CommandFailedError:
        return None


def commit(message: str, *, digests: Mapping[str, str], root: Path = ROOT) -> str:
    """Makes a commit from the work tree on top of the stand-in's branch and returns its id.

    The same content makes no new commit: then the newest one is returned.

    Args:
        digests: The image to release, by environment; the other environments keep theirs.
    """
    _ensure()
    with locks.exclusive("gitops", wait=True):
        parent = head()
        overlay = _overlay(digests, root)
        _stage(git.files(root=root), root)
        for path, text in overlay.items():
            blob = _git("hash-object", "-w", "--stdin", stdin=text).strip()
            _git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", index=True)
        tree = _git("write-tree", index=True).strip()
        if parent and tree == _git("rev-parse", f"{parent}^{{tree}}").strip():
            return parent
        arguments = ["commit-tree", tree, "-F", "-", *(["-p", parent] if parent else [])]
        made = _git(*arguments, stdin=message).strip()
        _git("update-ref", f"refs/heads/{BRANCH}", made, *([parent] if parent else []))
    return made


def _overlay(digests: Mapping[str, str], root: Path) -> dict[str, str]:
    """The files that differ from the work tree: digests, and Argo CD's manifests without the internet."""
    changed: dict[str, str] = {}
    for file in sorted((root / "environments").glob("*.yaml")):
        released = digests.get(file.stem) or digest(file.stem)
        if released:
            text = file.read_text(encoding="utf-8")
            changed[f"environments/{file.name}"] = releases.with_digest(text, released)
    manifests = programs.files("argocd") / "manifests"
    base = UPSTREAM.format(version=argocd_version())
    for overlay in sorted((root / "argocd" / "install").glob("*/kustomization.yaml")):
        text = overlay.read_text(encoding="utf-8")
        for wanted in re.findall(rf"{re.escape(base)}(\S+)", text):
            text = text.replace(f"{base}{wanted}", VENDORED)
            vendored = (overlay.parent / VENDORED).relative_to(root)
            changed[str(vendored)] = (manifests / wanted).read_text(encoding="utf-8")
        changed[str(overlay.relative_to(root))] = text
    return changed


def argocd_version() -> str:
    """The pinned release of Argo CD, such as ``v3.2.6``."""
    return str(programs.recipe()["variables"]["github.com/argoproj/argo-cd/v3/common.version"])


def _stage(files: list[Path], root: Path) -> None:
    """Makes the stand-in's index hold exactly these files. It is kept, so that unchanged files are not read again."""
    names = {str(path.relative_to(root)) for path in files}
    known = {name for name in _git("ls-files", "-z", index=True, root=root).split("\0") if name}
    gone = sorted(known - names)
    if gone:
        _git(
            "update-index",
            "-z",
            "--force-remove",
            "--stdin",
            stdin="\0".join(gone),
            index=True,
            root=root,
        )
    _git(
        "update-index",
        "-z",
        "--add",
        "--replace",
        "--stdin",
        stdin="\0".join(sorted(names)),
        index=True,
        root=root,
    )


def _ensure() -> None:
    if (BARE / "HEAD").is_file():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    process.capture(
        ["git", "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(BARE)],
        env=_environment(),
    )


def _git(
    *arguments: str, stdin: str | None = None, index: bool = False, root: Path | None = None
) -> str:
    environ = _environment()
    environ["GIT_DIR"] = str(BARE)
    if root is not None:
        environ["GIT_WORK_TREE"] = str(root)
    if index:
        environ["GIT_INDEX_FILE"] = str(INDEX)
    return process.capture(["git", *arguments], cwd=root or BARE, env=environ, stdin=stdin)


def _environment() -> dict[str, str]:
    """The user's environment without what would lead Git to another repository or identity."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    name, address = AUTHOR
    return kept | {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": address,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": address,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def _answers(host: str) -> bool:
    try:
        socket.create_connection((host, ports.GIT), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
