"""A GitHub of one's own for the time of a workflow run: repository, API, variables, and stand-ins for actions.

Everything lies in one folder: ``github.git`` (the repository), ``tree`` (what act runs from), ``shared`` (what the
stand-ins keep and record). The stand-ins themselves are in ``tests/rehearsal/stand_ins``.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from pipeline.core import files, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import HOST, ROOT
from pipeline.git import repository as git
from pipeline.github import act

REPOSITORY = "example/ecs-saas-app"
PULL_REQUEST = 1
STAND_INS = ROOT / "localgithub"
WORKFLOWS = Path(".github") / "workflows"
SERVER_SECONDS = 20
ACCOUNT = "123456789012"

#: The variables that docs/github.md asks for, with the values of the local AWS.
VARIABLES = {
    "AWS_REGION": "us-east-1",
    "AWS_PLAN_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/github/ecs-saas-app-plan",
    "AWS_APPLY_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/github/ecs-saas-app-apply-staging",
    "RELEASE_APP_CLIENT_ID": "stand-in",
}
#: The secrets that docs/github.md asks for; nothing behind them is secret here.
SECRETS = {"GITHUB_TOKEN": "job-token", "RELEASE_APP_KEY": "stand-in"}


@dataclass(frozen=True)
class Rehearsal:
    """One prepared run. ``base`` is main before the change, ``commit`` what the event is about."""

    folder: Path
    base: str
    commit: str
    url: str

    @property
    def repository(self) -> Path:
        """The bare repository that stands for the one on GitHub."""
        return self.folder / "github.git"

    @property
    def shared(self) -> Path:
        """What the jobs of a run share."""
        return self.folder / "shared"

    def calls(self) -> list[dict[str, Any]]:
        """The calls of actions, in order: action, job and inputs."""
        return _lines(self.shared / "calls.jsonl")

    def told(self) -> dict[str, Any]:
        """What GitHub's API was told."""
        return files.read_json(self.shared / "github.json") or {}


@dataclass(frozen=True)
class Settings:
    """What differs between runs: variables and secrets besides the usual ones, inputs, environment, a fork or not."""

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    fork: bool = False


@contextlib.contextmanager
def prepare(
    folder: Path, *, source: Path, base: str, commit: str, event: str
) -> Iterator[Rehearsal]:
    """Makes the repository with ``base`` on main and the change where the event has it, and serves its API.

    Args:
        source: A repository that has both commits.
        event: For ``pull_request`` main is ``base`` and the merge of ``commit`` into it is what runs; for any other
            event main is ``commit``.
    """
    if folder.exists():
        shutil.rmtree(folder)
    shared = folder / "shared"
    shared.mkdir(parents=True)
    bare = folder / "github.git"
    process.capture(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare])
    process.capture(["git", "config", "uploadpack.allowAnySHA1InWant", "true"], cwd=bare)
    (bare / "objects" / "info" / "alternates").write_text(f"{_objects(source)}\n", encoding="utf-8")
    runs = git.merge(base, commit, root=bare) if event == "pull_request" else commit
    main = base if event == "pull_request" else commit
    for name, value in (("refs/heads/main", main), (f"refs/pull/{PULL_REQUEST}/merge", runs)):
        process.capture(["git", "update-ref", name, value], cwd=bare)
    tree = folder / "tree"
    process.capture(["git", "clone", "--quiet", "--shared", "--no-checkout", bare, tree])
    process.capture(["git", "checkout", "--quiet", "--detach", runs], cwd=tree)
    (shared / "github.git").symlink_to(bare, target_is_directory=True)
    server = subprocess.Popen(
        [
            *(sys.executable, STAND_INS / "server.py", REPOSITORY, event),
            *(tree / WORKFLOWS, shared),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(shared / "server.log").open("w", encoding="utf-8"),
        start_new_session=True,
    )
    try:
        yield Rehearsal(folder, base, runs, _address(server, shared))
    finally:
        server.terminate()
        server.wait(SERVER_SECONDS)


def run(
    rehearsal: Rehearsal,
    workflow: str,
    event: str,
    settings: Settings,
    *,
    log: Path,
    show: Callable[[act.Job, str], None] = lambda _job, _line: None,
) -> list[act.Job]:
    """Runs a workflow file (its name) for an event; raises PipelineError as ``act.run`` does."""
    tree = rehearsal.folder / "tree"
    texts = [file.read_text(encoding="utf-8") for file in sorted((tree / ".github").rglob("*.yml"))]
    what = act.Run(
        folder=tree,
        workflow=str(WORKFLOWS / workflow),
        event=event,
        payload=payload(rehearsal, event, fork=settings.fork, inputs=settings.inputs),
        env={**_env(rehearsal), **settings.env},
        variables={**VARIABLES, **settings.variables},
        secrets={**SECRETS, **settings.secrets},
        actions=_stand_ins(texts),
        inputs=settings.inputs,
    )
    return act.run(what, scratch=rehearsal.folder / "act", log=log, show=show)


def payload(
    rehearsal: Rehearsal, event: str, *, fork: bool, inputs: Mapping[str, str]
) -> dict[str, Any]:
    """The event as GitHub would describe it, in the parts that the workflows read."""
    described: dict[str, Any] = {
        "repository": {"full_name": REPOSITORY, "default_branch": "main"},
        "ref": "refs/heads/main",
    }
    if event == "pull_request":
        owner = "stranger/ecs-saas-app" if fork else REPOSITORY
        described |= {
            "action": "synchronize",
            "number": PULL_REQUEST,
            "ref": f"refs/pull/{PULL_REQUEST}/merge",
            "pull_request": {
                "number": PULL_REQUEST,
                "title": "The change under test",
                "base": {"ref": "main", "sha": rehearsal.base},
                "head": {"ref": "change", "sha": rehearsal.commit, "repo": {"full_name": owner}},
            },
        }
    elif event == "push":
        described |= {"before": rehearsal.base, "after": rehearsal.commit}
    elif inputs:
        described |= {"inputs": dict(inputs)}
    return described


def _env(rehearsal: Rehearsal) -> dict[str, str]:
    return {
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_API_URL": rehearsal.url,
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{rehearsal.url}/identity?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        "STAND_IN_FOLDER": str(rehearsal.shared),
        "STAND_IN_HOST": str(HOST),
        "STAND_IN_PYTHON": sys.executable,
        "STAND_IN_SCRIPT": str(STAND_INS / "stand_in.py"),
        "PIPELINE_HOST": str(HOST),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PORT_OFFSET": os.environ.get("PORT_OFFSET", "0"),
    }


def _stand_ins(texts: list[str]) -> dict[str, Path]:
    found = {}
    for action in sorted(act.pinned_actions(texts)):
        folder = STAND_INS / "actions" / action.partition("@")[0].replace("/", "+")
        if not folder.is_dir():
            raise PipelineError(
                f"there is no stand-in for {action}",
                next_step=f"add one to {STAND_INS.relative_to(ROOT)}/actions, or do without the action",
            )
        found[action] = folder
    return found


def _objects(source: Path) -> Path:
    common = process.capture(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"], cwd=source
    ).strip()
    return Path(common) / "objects"


def _address(server: subprocess.Popen[bytes], shared: Path) -> str:
    file = shared / "github-url"

    def served() -> bool:
        return file.is_file() or server.poll() is not None

    with contextlib.suppress(RetryError):
        Retrying(
            retry=retry_if_result(lambda done: not done),
            wait=wait_fixed(0.05),
            stop=stop_after_delay(SERVER_SECONDS),
        )(served)
    if not file.is_file():
        raise PipelineError(
            "the stand-in for GitHub did not start",
            next_step="read its log",
            log=shared / "server.log",
        )
    return file.read_text(encoding="utf-8")


def _lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
