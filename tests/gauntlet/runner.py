"""Applies a change to a scratch clone and takes it along the pull-request path until something stops it.

What has passed for the same content is reused (``.local/passed``). Of the tests those run that IMPACT names and
``./inv test --changed`` would run as well: a test that its groups leave out stops nothing here either.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from pipeline.core import tools
from pipeline.core.paths import HOST, LOCAL, ROOT
from pipeline.git import groups
from pipeline.git import repository as git
from pipeline.github import affected
from pipeline.releases import environments
from tests.gauntlet.edits import Change

STAGE_SECONDS = 400
#: Paths, and the tests that a change of them can turn red; tests themselves when they change.
IMPACT = (
    ("app/*", ("tests/app",)),
    (".github/*", ("tests/rehearsal/test_parity.py",)),
    ("docs/*", ("tests/pipeline/test_docs.py", "tests/rehearsal/test_parity.py")),
    ("Dockerfile", ("tests/pipeline/images/test_catalogue.py",)),
    ("environments/*", ("tests/pipeline/test_environments.py", "tests/infra/helm")),
    ("infra/helm/*", ("tests/infra/helm",)),
    (
        "infra/terraform/*",
        ("tests/rehearsal/test_affected.py", "tests/infra/terraform/test_cost.py"),
    ),
    ("pipeline/terraform/*", ("tests/infra/terraform/test_errors.py",)),
    ("pipeline/*", ("tests/pipeline",)),
    ("tools/tests.yaml", ("tests/app/test_server.py",)),
    ("requirements/*", ("tests/pipeline/test_requirements.py",)),
)
#: The cheap stages first; the others follow for what none of these stopped.
ORDER = ("lint", "test", "secrets", "scan")
#: What a job on GitHub finds in its caches.
LENT = (".mypy_cache", ".ruff_cache", ".local/passed")


@dataclass(frozen=True)
class Verdict:
    """What stopped a change (nothing when ``gate`` is empty), what was said, and after how many seconds."""

    change: Change
    gate: str
    output: str
    seconds: float

    def problem(self) -> str:
        """Why this is not what had to happen; empty when it is."""
        if self.gate != self.change.gate:
            wanted = f"stopped by {self.change.gate}" if self.change.gate else "passed"
            got = f"stopped by {self.gate}" if self.gate else "not stopped"
            return f"{self.change.name}: had to be {wanted}, was {got}\n{self.output[-2500:]}"
        missing = [text for text in self.change.says if text not in self.output]
        if missing:
            return f"{self.change.name}: {self.gate} did not say {missing}\n{self.output[-2500:]}"
        if self.gate and "Next:" not in self.output:
            return f"{self.change.name}: no way out was named\n{self.output[-2500:]}"
        return ""


def base(folder: Path) -> Path:
    """The clone from which all changes start: the work tree as it is, with what this checkout has in its caches."""
    commit = git.snapshot("The work tree under test")
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", ROOT, folder], check=True)
    subprocess.run(["git", "checkout", "-q", "--detach", commit], cwd=folder, check=True)
    for name in LENT:
        if (HOST / name).is_dir():
            shutil.copytree(HOST / name, folder / name)
    lend_environments(folder)
    # On a tree that does not pass by itself nothing could be said about a change.
    subprocess.run(["./inv", "lint"], cwd=folder, check=True)
    return folder


def judge(change: Change, start: Path, folder: Path, env: dict[str, str] | None = None) -> Verdict:
    """Takes one change along the path; ``folder`` must not exist and is removed."""
    began = time.monotonic()
    shutil.copytree(start, folder, symlinks=True)
    try:
        change.edit(folder)
        _draw(folder)
        _git(folder, "add", "--all")
        _git(folder, "commit", "-q", "-m", change.name)
        paths = git.changed("HEAD^", root=folder)
        assert paths, f"{change.name} changes nothing"
        if any(path.startswith("requirements/") for path in paths):
            (folder / ".local" / "venv").unlink()
        gate, output = _path(folder, paths, _chosen(start, folder), env or {})
    finally:
        shutil.rmtree(folder)
    return Verdict(change, gate, output, time.monotonic() - began)


def _draw(folder: Path) -> None:
    """Draws the diagrams anew, as ``./inv format`` does: lint would stop each change of what they show for them alone.

    Of what cannot be drawn they stay, and lint says why.
    """
    subprocess.run(
        [folder / ".local" / "venv" / "bin" / "python", "-m", "pipeline.diagrams.architecture"],
        cwd=folder,
        capture_output=True,
        timeout=STAGE_SECONDS,
        check=False,
    )


def _chosen(start: Path, folder: Path) -> set[str]:
    """The test files of the groups whose inputs a change has changed."""
    before = {group.name: group.key(start) for group in groups.load(start)}
    return {
        str(test.relative_to(folder))
        for group in groups.load(folder)
        if group.key(folder) != before.get(group.name)
        for test in group.tests
    }


def _path(
    folder: Path, paths: Sequence[str], tests: set[str], env: dict[str, str]
) -> tuple[str, str]:
    stages = affected.judge(paths, environments.deployed()).stages
    output = ""
    for stage in ORDER:
        if stage not in stages:
            continue
        task = ["scan", "--only", "secrets"] if stage == "secrets" else [stage]
        arguments = _tests(folder, paths, tests) if stage == "test" else []
        if stage == "test" and not arguments:
            continue
        done = subprocess.run(
            ["./inv", *task, *arguments],
            cwd=folder,
            env={**os.environ, "CI": "true", "NO_COLOR": "1", "GITHUB_ACTIONS": "", **env},
            capture_output=True,
            text=True,
            timeout=STAGE_SECONDS,
            check=False,
        )
        output = done.stdout + done.stderr
        if done.returncode != 0:
            return ("setup" if "environment failed:" in done.stderr else stage), output
    return "", output


def _tests(folder: Path, paths: Sequence[str], tests: set[str]) -> list[str]:
    wanted = {path for path in paths if fnmatchcase(path, "tests/*/test_*.py")}
    for path in paths:
        wanted.update(
            test for pattern, tests in IMPACT if fnmatchcase(path, pattern) for test in tests
        )
    missing = [test for test in wanted if not (folder / test).exists()]
    assert not missing, f"IMPACT names tests that are not there: {missing}"
    chosen = sorted(test for test in tests if wanted & {test, *map(str, PurePath(test).parents)})
    if not chosen:
        return []
    words = [word for name in chosen for word in ("--select", name)]
    return ["--fast", "--select=--exitfirst", *words]


def lend_environments(folder: Path) -> None:
    """The locked environments of this checkout, those of the stages included: made once, not by every clone."""
    own = [tools.python_environment(name) for name in ("checkov", "zensical")]
    for source in (LOCAL / "venv", LOCAL / "uv", *own):
        if source.is_dir():
            target = folder / source.relative_to(LOCAL.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source, target_is_directory=True)


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
