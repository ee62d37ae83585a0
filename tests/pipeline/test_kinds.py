"""Kinds of faults from the field (docs/field.md): each test takes the members of its kind from the code."""

import ast
import contextlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoke.context import Context

import tasks
from pipeline import scanners, targets
from pipeline.commands import drift, status
from pipeline.core import files, locks
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions
from pipeline.images import docker
from pipeline.kubernetes import cluster
from pipeline.releases import environments, history
from pipeline.releases.desired import FAILED
from pipeline.releases.history import Release
from pipeline.scanners import findings
from tests.pipeline.test_arguments import GOOD

#: Functions that name a digest in Git or to Terraform.
NAMING = {"history.set_text", "history.propose", "git_server.commit", "terraform.plan"}
#: Those of them that need no look-up in the registry, and why.
RUNS_ALREADY = {
    "targets/ecs.py follow": "the digest was looked up a moment ago",
    "targets/ecs.py prepare": "an account has no image",
    "targets/kubernetes.py prepared": "names no digest",
    "commands/destroy.py run": "runs nothing any more",
    "commands/drift.py _ecs": "compares with what Git names",
}
#: Whose JSON files are reports of a program that has just run, or part of the repository.
REPORTS = {
    "pipeline/commands/github_setup.py",
    "pipeline/commands/test.py",
    "pipeline/scanners/checkov.py",
    "pipeline/scanners/gitleaks.py",
    "pipeline/scanners/grype.py",
}
#: Whose are memories: tests/pipeline/test_files.py breaks each.
MEMORIES = {
    "pipeline/attestations/statements.py",
    "pipeline/core/cache.py",
    "pipeline/core/console.py",
    "pipeline/github/figures.py",
    "pipeline/images/app.py",
    "pipeline/releases/environments.py",
    "pipeline/scanners/sbom.py",
    "pipeline/terraform/run.py",
}


def functions(*patterns: str) -> Iterator[tuple[str, dict[str, ast.Call]]]:
    """The functions of modules of the pipeline by ``PATH NAME``, each with its calls by the called name."""
    for path in git.files(*(f"pipeline/{pattern}" for pattern in patterns)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                inner = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
                name = f"{path.relative_to(ROOT / 'pipeline')} {node.name}"
                yield name, {ast.unparse(call.func): call for call in inner}


def test_what_is_remembered_in_a_file_is_known() -> None:
    readers = set()
    for path in set(git.files("pipeline/*.py")) - {Path(files.__file__)}:
        text = path.read_text(encoding="utf-8")
        if re.search(r"files\.read_json\(|json\.loads\(.*read_text", text):
            readers.add(str(path.relative_to(ROOT)))
    assert readers == MEMORIES | REPORTS


def test_a_digest_is_looked_up_where_it_is_committed_or_planned() -> None:
    naming = {
        name: calls
        for name, calls in functions("commands/*.py", "targets/*.py")
        if calls.keys() & NAMING
    }
    assert naming.keys() >= RUNS_ALREADY.keys()
    unchecked = {
        name
        for name, calls in naming.items()
        if not any("admission.require" in call for call in calls)
    }
    assert unchecked == RUNS_ALREADY.keys()


@pytest.mark.parametrize(
    "look",
    [
        *(
            lambda name=name: targets.TARGETS[name].observe(environments.load("local"))
            for name in targets.TARGETS
        ),
        lambda: drift.run("local"),
        lambda: status.run(as_json=True),
    ],
    ids=[*targets.TARGETS, "drift", "status"],
)
def test_a_look_starts_nothing(
    look: Callable[[], object],
    started: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A local cluster was made here, and Docker's engine does not run.
    monkeypatch.setattr(cluster, "KUBECONFIG", tmp_path / "kubeconfig")
    monkeypatch.setattr(cluster, "CONTEXT_FILE", tmp_path / "none")
    (tmp_path / "kubeconfig").touch()
    docker.client.cache_clear()
    with contextlib.suppress(Exception):
        look()
    reading = r"connection|look-up|python\S* -m localaws status|kubectl (version|get)"
    assert [begun for begun in started if not re.match(reading, begun)] == []


SCANNERS = [
    module.name
    for module in pkgutil.iter_modules(scanners.__path__)
    if hasattr(import_module(f"{scanners.__name__}.{module.name}"), "scan")
]


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.usefixtures("started")
def test_a_scanner_that_cannot_look_has_not_passed(scanner: str, tmp_path: Path) -> None:
    git.run("init", "--quiet", root=tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    scan = import_module(f"{scanners.__name__}.{scanner}").scan
    given = {"root": tmp_path, "image": "nowhere", "database": "nowhere"}
    outcomes: Any = []
    with contextlib.suppress(PipelineError):
        outcomes = scan(
            **{name: given[name] for name in inspect.signature(scan).parameters if name in given}
        )
    outcomes = outcomes if isinstance(outcomes, list) else [outcomes]
    assert {outcome.state for outcome in outcomes} <= {findings.NOT_CHECKED}


def test_environments_are_read_from_their_files() -> None:
    own = {
        "pipeline/adoption/naming.py",  # production's domain has no name before it
        "pipeline/github/rehearsal.py",  # a merge deploys staging (main.yml)
        "pipeline/commands/rehearse.py",
    }
    naming = set()
    for path in git.files("pipeline/*.py", "tasks.py"):
        constants = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        }
        if constants & set(environments.deployed()):
            naming.add(str(path.relative_to(ROOT)))
    assert naming == own


#: Tasks that prepare or read an account, release an environment for the first time or tell how that went, or must be
#: given what was pushed.
BEFORE_RELEASES = {"bootstrap", "push", "unlock", "destroy", "rebuild", "release", "issue", "notes"}
IN_ENVIRONMENTS = {
    task
    for task in tasks.ns.tasks
    if any(argument.name == "environment" for argument in tasks.ns[task].get_arguments())
}


@pytest.mark.parametrize("task", sorted(IN_ENVIRONMENTS - BEFORE_RELEASES))
def test_an_environment_that_was_never_released_is_an_ordinary_one(
    task: str,
    started: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # There a rollback fetches main first.
    monkeypatch.setattr(actions, "running", lambda: task != "rollback")
    required = {"command": "true"} if task == "exec" else {}
    tasks.ns[task].body(Context(), environment="production", **required)
    assert "nothing is released to production yet" in capsys.readouterr().out
    assert started == []


STATES = ("a", "b", "c", None)


@given(
    st.lists(
        st.tuples(st.sampled_from(STATES), st.booleans(), st.sets(st.integers(1, 5), max_size=3)),
        min_size=1,
        max_size=12,
    )
)
def test_a_rollback_leads_to_a_state_that_ran_and_was_not_left(
    commits: list[tuple[str | None, bool, set[int]]],
) -> None:
    releases = [
        Release(
            commit=str(number),
            text="",
            content={"image": {"digest": state}},
            subject="",
            committed=datetime(2026, 11, 27, tzinfo=UTC),
            reverts=[str(number + behind) for behind in reverts],
            note=FAILED if failed else "",
        )
        for number, (state, failed, reverts) in enumerate(commits)
    ]
    earlier = history.earlier(releases)
    if earlier is None:
        return
    newer = releases[: releases.index(earlier)]
    assert earlier.digest
    assert not earlier.failed
    assert earlier.content != releases[0].content
    assert earlier.commit not in {commit for release in newer for commit in release.reverts}


def test_what_changes_an_account_is_shown_before() -> None:
    for name, calls in functions("commands/*.py", "targets/*.py"):
        call = calls.get("terraform.plan")
        options = (
            {option.arg: ast.unparse(option.value) for option in call.keywords} if call else {}
        )
        if call and options.get("lock") != "False":
            assert "plan_summary.show" in calls, f"{name} plans for an apply, and shows nothing"


@pytest.mark.parametrize("task", tasks.ns.tasks)
def test_every_task_waits_for_one_that_removes(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("shared", "exclusive"):
        hold = getattr(locks, name)
        monkeypatch.setattr(locks, name, lambda lock, hold=hold: hold(lock, tmp_path))
    required = {
        each.name: GOOD.get(each.name, "up")
        for each in tasks.ns[task].get_arguments()
        if each.positional
    }
    with locks.exclusive("checkout"), pytest.raises(SystemExit):
        tasks.ns[task].body(Context(), **required)
    assert "another run holds the checkout lock: pid" in capsys.readouterr().err


def test_a_program_is_started_where_an_interruption_ends_it() -> None:
    own = {
        "core/process.py",
        "argocd/git_server.py",
        "kubernetes/service.py",
        "github/rehearsal.py",
    }
    for name, calls in functions("*.py"):
        if name.split()[0] not in own:
            started = {
                call for call in calls if call.startswith(("subprocess.", "os.system", "os.exec"))
            }
            assert not started, f"{name} starts a program that pipeline.core.process does not end"


def test_what_is_made_in_docker_bears_the_checkouts_label() -> None:
    making = r"(containers\.(run|create)|networks\.create|volumes\.create|\.create_container)$"
    for path in git.files("pipeline/*.py", "offline/*.py", "localaws/src/*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and re.search(making, ast.unparse(call.func)):
                options = {option.arg for option in call.keywords}
                assert options & {"labels", None}, f"{path}: {ast.unparse(call)[:80]}"
