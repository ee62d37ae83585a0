"""A bare repository that the local cluster's Argo CD reads: the work tree as it is, with digests that live here alone.

Deploy, promote and rollback move digest and revision in ``environments/<name>.yaml``; the next commit keeps them.
"""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from pipeline.core import files, locks, ports
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ENGINES, ENVIRONMENTS, ROOT, log_file
from pipeline.core.waiting import wait
from pipeline.git import repository
from pipeline.github import actions
from pipeline.images import registries
from pipeline.releases import environments, history
from pipeline.releases.desired import FAILED, Desired, on_github, set_note
from pipeline.releases.environments import Environment

FOLDER = ENGINES / "gitops"
BARE = FOLDER / "delivery.git"
#: The option of ``git daemon`` by which this checkout's server is recognised.
SERVED = f"--base-path={FOLDER}"
INDEX = FOLDER / "index"
BRANCH = "main"
#: Manifests of Argo CD and Argo Rollouts, as their releases have them in Git.
UPSTREAM = re.compile(
    r"https://raw\.githubusercontent\.com/argoproj/argo-(cd|rollouts)/v[^/]+/(manifests/\S+)"
)
#: What offline/ calls the files of each.
MODULES = {"cd": "argocd", "rollouts": "rollouts"}
#: Their name where they are copied beside a kustomization, which reads nothing outside of its folder.
VENDORED = "upstream.yaml"
#: Where this registry answers their images and manifests come from upstream, else both are made here.
REGISTRY = "quay.io"
REPOSITORY = Path("argocd", "apps", "base", "repository.yaml")
PROBE_SECONDS = 1
START_SECONDS = 10
STOP_SECONDS = 20


def desired() -> Desired:
    """Where the desired state lives on this machine; raises PipelineError when nothing was synced yet."""
    if not BARE.is_dir():
        raise PipelineError(
            "nothing has been synced on this machine yet",
            next_step="run ./inv deploy --to kubernetes first; ECS alone goes back by a deploy of the earlier commit",
        )
    return Desired(str(BARE), branch=BRANCH, root=BARE)


def readable() -> Desired:
    """Where the desired state is only read: the workflow's repository, else this machine's, else origin."""
    if actions.running():
        return on_github()
    return desired() if head() else Desired("origin")


def never_released(environment: Environment) -> bool:
    """Whether neither Git's file nor the repository of this machine can name an image; False in a workflow."""
    waits = environments.waits_for_release(environment) and not actions.running()
    return waits and head() is None


def upstream() -> str:
    """This repository's address outside of this machine, as the manifests in ``argocd/`` name it."""
    return str(files.read_yaml(ROOT / REPOSITORY)["data"]["url"])


def url(host: str) -> str:
    """The repository as the cluster reaches it."""
    return f"git://{host}:{ports.GIT}/{BARE.name}"


def serve(host: str) -> None:
    """Serves the repository, read-only, on loopback and on the address that the cluster's pods see."""
    _ensure()
    log = log_file("git")
    server: subprocess.Popen[bytes] | None = None
    if not processes():
        ports.require_free(ports.GIT, "the Git stand-in")
        argv = ["git", "daemon", "--reuseaddr", "--export-all", SERVED]
        argv += [f"--port={ports.GIT}", "--listen=127.0.0.1", f"--listen={host}", str(FOLDER)]
        with log.open("ab") as sink:
            server = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=repository.environment(),
                start_new_session=True,  # it outlives the task
            )

    failure = PipelineError("the Git stand-in did not start", next_step="read its log", log=log)

    def answers() -> bool:
        if server and server.poll() is not None:
            raise failure
        return _answers("127.0.0.1") and _answers(host)

    if not wait(answers, timeout=START_SECONDS, interval=0.1):
        stop()
        raise failure


def stop() -> None:
    """Ends the server, which only reads, with the transfers that it is just making."""
    servers = processes()
    for process in servers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(servers, timeout=STOP_SECONDS)


def head() -> str | None:
    """The newest commit, or None when there is none."""
    if not BARE.is_dir():
        return None
    return git("for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}").strip() or None


def digest(environment: str) -> str | None:
    """The digest that the newest commit names for an environment; None when there is none."""
    released: str | None = _content(environment)["image"]["digest"]
    return released


def wanted(environment: str) -> str | None:
    """The commit whose chart an environment is to run: the promoted one, else the newest."""
    return _content(environment).get("revision") or head()


def commit(message: str, *, host: str, digests: Mapping[str, str]) -> str:
    """A commit of the work tree on top of the branch; the newest one where that has the same content.

    ``host`` is this machine's address as the cluster's pods see it. ``digests`` are the images to release by
    environment; the other environments keep theirs.
    """
    _ensure()
    with locks.exclusive("gitops", wait=True):
        parent = head()
        overlay = _overlay(host, digests)
        _stage()
        for path, text in overlay.items():
            blob = git("hash-object", "-w", "--stdin", stdin=text).strip()
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = git("write-tree").strip()
        if parent and tree == git("rev-parse", f"{parent}^{{tree}}").strip():
            return parent
        arguments = ["commit-tree", tree, "-F", "-", *(["-p", parent] if parent else [])]
        made = git(*arguments, stdin=message).strip()
        git("update-ref", f"refs/heads/{BRANCH}", made, *([parent] if parent else []))
    return made


@contextlib.contextmanager
def judged(revision: str) -> Iterator[None]:
    """Notes that a commit failed when the body does, so that no rollback goes back to it; else that it did not."""
    try:
        yield
    except PipelineError:
        set_note(desired(), revision, lambda _note: FAILED)
        raise
    set_note(desired(), revision, lambda note: "" if note == FAILED else note)


def git(*arguments: str, stdin: str | None = None, work_tree: Path | None = None) -> str:
    """The output of a Git command in the repository; raises CommandFailedError."""
    env = {**repository.IDENTITY, "GIT_DIR": str(BARE), "GIT_INDEX_FILE": str(INDEX)}
    if work_tree:
        env["GIT_WORK_TREE"] = str(work_tree)
    return repository.run(*arguments, root=work_tree or BARE, env=env, stdin=stdin)


def _overlay(host: str, digests: Mapping[str, str]) -> dict[str, str]:
    """The files that differ from the work tree: releases, the repository's address, and vendored manifests."""
    changed: dict[str, str] = {}
    for file in sorted(ENVIRONMENTS.glob("*.yaml")):
        content = _content(file.stem)
        # A revision of the work tree is none of this repository's commits.
        text = history.with_revision(file.read_text(encoding="utf-8"), content.get("revision"))
        released = digests.get(file.stem) or content["image"]["digest"]
        changed[history.path(file.stem)] = history.with_digest(text, released) if released else text
    text = (ROOT / REPOSITORY).read_text(encoding="utf-8")
    changed[str(REPOSITORY)] = text.replace(upstream(), url(host))
    if registries.answers(REGISTRY):
        return changed
    from offline import provide  # noqa: PLC0415 - only where the registry does not answer

    for file in sorted((ROOT / "argocd" / "install").glob("*/kustomization.yaml")):
        text = file.read_text(encoding="utf-8")
        match = UPSTREAM.search(text)
        if match:
            manifests = provide.files(MODULES[match[1]]) / match[2]
            changed[str((file.parent / VENDORED).relative_to(ROOT))] = manifests.read_text("utf-8")
            changed[str(file.relative_to(ROOT))] = UPSTREAM.sub(VENDORED, text)
    return changed


def _content(environment: str) -> dict[str, Any]:
    """An environment's file in the newest commit; without a digest where there is none."""
    tip = head()
    with contextlib.suppress(CommandFailedError):
        if tip:
            return history.at(tip, environment, root=BARE)
    return {"image": {"digest": None}}


def _stage() -> None:
    """Makes the index hold exactly the work tree's files. It is kept, so that unchanged files are not read again."""
    names = {str(path.relative_to(ROOT)) for path in repository.files()}
    gone = {name for name in git("ls-files", "-z").split("\0") if name} - names
    for option, paths in (("--force-remove", gone), ("--replace", names)):
        if paths:
            argv = ("update-index", "-z", "--add", option, "--stdin")
            git(*argv, work_tree=ROOT, stdin="\0".join(sorted(paths)))


def _ensure() -> None:
    if not (BARE / "HEAD").is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        repository.run("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", BARE, root=FOLDER)


def processes() -> list[psutil.Process]:
    """The processes of this checkout's server."""
    running = psutil.process_iter(["cmdline"])
    return [process for process in running if SERVED in (process.info["cmdline"] or ())]


def _answers(host: str) -> bool:
    try:
        socket.create_connection((host, ports.GIT), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
