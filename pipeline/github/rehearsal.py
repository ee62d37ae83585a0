"""Rehearses a workflow against a local GitHub (``localgithub``): repository, API, variables and actions, all in one
folder: ``github.git``, the repository; ``tree``, where act runs; ``shared``, what jobs share."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import HOST, ROOT
from pipeline.git import repository as git
from pipeline.github import act, roles
from pipeline.releases.project import project

PULL_REQUEST = 1
ACTIONS = Path("localgithub") / "actions"
WORKFLOWS = Path(".github") / "workflows"
#: Lines of a workflow that act 0.2.89 refuses.
UNKNOWN_TO_ACT = r"^ *(queue: max|deployment: false)( #.*)?\n"
#: The secrets that docs/github.md asks for; nothing behind them is secret here.
SECRETS = {"GITHUB_TOKEN": "job-token", "RELEASE_APP_KEY": "stand-in"}


@dataclass(frozen=True)
class Rehearsal:
    """One prepared run. ``base`` is main before the change, ``commit`` what the event is about."""

    folder: Path
    base: str
    commit: str
    url: str
    event: str

    @property
    def shared(self) -> Path:
        """What the jobs of a run share."""
        return self.folder / "shared"

    def calls(self) -> list[dict[str, Any]]:
        """The calls of actions, in order: action, job and inputs."""
        file = self.shared / "calls.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Settings:
    """What differs between runs: variables, inputs and environment besides the usual ones, a fork or not.

    ``plan`` makes the repository private: ``team`` has neither code scanning nor attestations, ``enterprise`` both.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    fork: bool = False
    plan: str = ""
    silence_seconds: float = act.SILENCE_SECONDS


@contextlib.contextmanager
def prepare(
    folder: Path, *, source: Path, base: str, commit: str, event: str
) -> Iterator[Rehearsal]:
    """The repository with both commits of ``source`` where the event has them, with its API served.

    For ``pull_request`` main is ``base`` and the merge of ``commit`` into it runs; for others main is ``commit``.
    """
    if folder.exists():
        shutil.rmtree(folder)
    shared = folder / "shared"
    shared.mkdir(parents=True)
    bare = folder / "github.git"
    git.run("init", "--quiet", "--bare", "--initial-branch=main", bare, root=folder)
    git.run("config", "uploadpack.allowAnySHA1InWant", "true", root=bare)
    common = git.run("rev-parse", "--path-format=absolute", "--git-common-dir", root=source).strip()
    files.write(bare / "objects" / "info" / "alternates", f"{common}/objects\n")
    if (shallow := Path(common, "shallow")).is_file():
        shutil.copy(shallow, bare)  # where the history of the source ends
    runs = git.merge(base, commit, root=bare) if event == "pull_request" else commit
    main = base if event == "pull_request" else commit
    for name, value in (("refs/heads/main", main), (f"refs/pull/{PULL_REQUEST}/merge", runs)):
        git.run("update-ref", name, value, root=bare)
    tree = folder / "tree"
    git.run("clone", "--quiet", "--shared", "--no-checkout", bare, tree, root=folder)
    # Of a shallow source no objects are shared.
    git.run("fetch", "--quiet", "origin", runs, root=tree)
    git.run("checkout", "--quiet", "--detach", runs, root=tree)
    for file in (tree / WORKFLOWS).glob("*.yml"):
        # act 0.2.89 refuses these keys, and knows neither concurrency nor deployments anyway.
        text = file.read_text(encoding="utf-8")
        files.write(file, re.sub(UNKNOWN_TO_ACT, "", text, flags=re.MULTILINE))
    (shared / "github.git").symlink_to(bare, target_is_directory=True)
    with _served(event, tree / WORKFLOWS, shared) as url:
        yield Rehearsal(folder, base, runs, url, event)


def run(
    rehearsal: Rehearsal,
    workflow: str,
    settings: Settings,
    *,
    log: Path,
    show: Callable[[act.Job, str], None] = lambda _job, _line: None,
) -> list[act.Job]:
    """The jobs of a workflow, named by its file, for the event; raises PipelineError as ``act.run`` does."""
    tree = rehearsal.folder / "tree"
    variables = {
        # What docs/github.md asks for, with the values of the local AWS.
        "AWS_REGION": "us-east-1",
        "AWS_ROLES": roles.variable(),
        "AWS_APPLY_ROLE_ARN": roles.arn("apply", "staging"),
        "RELEASE_APP_CLIENT_ID": "stand-in",
    }
    payload = _payload(rehearsal, settings)
    return act.run(
        tree,
        str(WORKFLOWS / workflow),
        rehearsal.event,
        payload=payload,
        settings={
            "env": {
                **_env(rehearsal),
                # act leaves it out.
                "GITHUB_WORKFLOW_REF": f"{_repository()}/{WORKFLOWS / workflow}@{payload['ref']}",
                "STAND_IN_PLAN": settings.plan,
                **settings.env,
            },
            "var": {**variables, **settings.variables},
            "secret": SECRETS,
            "input": settings.inputs,
        },
        actions=_stand_ins(tree),
        scratch=rehearsal.folder / "act",
        log=log,
        silence_seconds=settings.silence_seconds,
        show=show,
    )


def _payload(rehearsal: Rehearsal, settings: Settings) -> dict[str, Any]:
    """The event as GitHub would describe it, in the parts that the workflows read."""
    repository = {"full_name": _repository(), "default_branch": "main"}
    described: dict[str, Any] = {
        "repository": {**repository, "private": bool(settings.plan)},
        "ref": "refs/heads/main",
    }
    if rehearsal.event == "pull_request":
        owner = f"stranger/{project().name}" if settings.fork else _repository()
        head = {"ref": "change", "sha": rehearsal.commit, "repo": {"full_name": owner}}
        described |= {
            "action": "synchronize",
            "number": PULL_REQUEST,
            "ref": f"refs/pull/{PULL_REQUEST}/merge",
            "pull_request": {
                "number": PULL_REQUEST,
                "title": "The change under test",
                "base": {"ref": "main", "sha": rehearsal.base},
                "head": head,
            },
        }
    elif rehearsal.event == "push":
        described |= {"before": rehearsal.base, "after": rehearsal.commit}
    elif settings.inputs:
        described |= {"inputs": dict(settings.inputs)}
    return described


def _env(rehearsal: Rehearsal) -> dict[str, str]:
    return {
        "GITHUB_REPOSITORY": _repository(),
        "GITHUB_API_URL": rehearsal.url,
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{rehearsal.url}/identity?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        "STAND_IN_FOLDER": str(rehearsal.shared),
        "STAND_IN_HOST": str(HOST),
        "STAND_IN_PYTHON": sys.executable,
        "STAND_IN_SCRIPT": str(ROOT / "localgithub" / "stand_in.py"),
        "PIPELINE_HOST": str(HOST),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PORT_OFFSET": os.environ.get("PORT_OFFSET", "0"),
    }


def _stand_ins(tree: Path) -> dict[str, Path]:
    """The local folder of each third-party action that a workflow uses, by ``owner/name@ref``."""
    uses = re.compile(r"^[ -]*uses: *([\w.-]+)/([\w.-]+)[^@\s]*@([\w.-]+)", re.MULTILINE)
    folders = {}
    for file in sorted((tree / ".github").rglob("*.yml")):
        for owner, name, ref in uses.findall(file.read_text(encoding="utf-8")):
            folder = folders[f"{owner}/{name}@{ref}"] = ROOT / ACTIONS / f"{owner}+{name}"
            if not folder.is_dir():
                raise PipelineError(
                    f"there is no stand-in for {owner}/{name}",
                    next_step=f"add one to {ACTIONS}, or do without the action",
                )
    return folders


@contextlib.contextmanager
def _served(event: str, workflows: Path, shared: Path) -> Iterator[str]:
    """The address of the local GitHub, which runs as a process of its own."""
    log = shared / "server.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "localgithub.server", _repository(), event, workflows, shared],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as server,
    ):
        assert server.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            url = server.stdout.readline().strip()
            if not url:
                raise PipelineError(
                    "the local GitHub did not start", next_step="read its log", log=log
                )
            yield url
        finally:
            server.terminate()


def _repository() -> str:
    return f"example/{project().name}"
