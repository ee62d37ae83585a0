"""Every bad change is stopped, by exactly the gate that is there for it, with a way out; good changes pass."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.core.paths import LOCAL, ROOT
from pipeline.git import repository as git
from tests.gauntlet import changes, osv, runner, table
from tests.gauntlet.edits import Change
from tests.gauntlet.twins import WITHOUT

#: A few of the cheapest, for every whole run of the tests.
CHEAP = {
    "formatting",
    "root user in the image",
    "unpinned action",
    "script injection through a branch name",
    "a workflow that calls a task that does not exist",
}


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runner.base(tmp_path_factory.mktemp("gauntlet") / "base")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A commit of the work tree, without what a run needs, and without pages, which no change edits."""
    folder = tmp_path_factory.mktemp("gauntlet") / "tree"
    git.copy(git.files("*", ":!app/*/templates/*", ":!app/*/static/*"), folder)
    git.run("init", "--quiet", root=folder)
    git.run("add", "--all", root=folder)
    return folder


@pytest.fixture
def advisories() -> Iterator[str]:
    """A source of advisories that knows one package of ours and the one by which the scan judges the source."""
    name, _, version = changes.VULNERABLE.partition("==")
    known = {f"pkg:pypi/{name}@{version}": changes.ADVISORY}
    with osv.knowing(known) as address:
        yield address


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    names = [change.name for change in (*changes.BAD, *changes.GOOD)]
    assert len(set(names)) == len(names)
    assert len(changes.BAD) >= 30
    assert set(names) >= CHEAP


def test_every_bad_change_has_a_good_twin() -> None:
    twins = {name for change in changes.GOOD for name in change.of}
    assert not twins & WITHOUT
    assert {change.name for change in changes.BAD} <= twins | WITHOUT


@pytest.mark.parametrize("change", (*changes.BAD, *changes.GOOD), ids=lambda one: one.name)
def test_a_change_still_changes_something(change: Change, tree: Path) -> None:
    try:
        change.edit(tree)
        assert git.run("ls-files", "--modified", "--deleted", "--others", root=tree)
    finally:
        git.run("checkout", "--quiet", ".", root=tree)
        git.run("clean", "--quiet", "--force", "-d", root=tree)


@pytest.mark.engine
@pytest.mark.parametrize(
    "change", [one for one in changes.BAD if one.name in CHEAP], ids=lambda one: one.name
)
def test_a_cheap_bad_change_is_stopped(change: Change, start: Path, tmp_path: Path) -> None:
    assert not runner.judge(change, start, tmp_path / "clone").problem()


@pytest.mark.long
@pytest.mark.timeout(7200)  # a hundred changes, each with its stages
@pytest.mark.engine
def test_the_whole_gauntlet(start: Path, tmp_path: Path, advisories: str) -> None:
    began = time.monotonic()
    env = {"OSV_API": advisories, "NO_PROXY": "127.0.0.1,localhost"}

    def one(change: Change) -> runner.Verdict:
        return runner.judge(
            change, start, tmp_path / change.name.replace(" ", "-").replace("/", "-"), env
        )

    with ThreadPoolExecutor(max_workers=2) as pool:
        verdicts = list(pool.map(one, (*changes.BAD, *changes.GOOD)))
    table.keep(verdicts, time.monotonic() - began, LOCAL / "reports" / "gauntlet.json")
    problems = [problem for problem in (verdict.problem() for verdict in verdicts) if problem]
    assert not problems, "\n\n".join(problems)


def test_the_page_shows_every_change_with_its_gate() -> None:
    page = (ROOT / "docs" / "gauntlet.md").read_text(encoding="utf-8")
    for change in changes.BAD:
        assert f"| {change.name} | {change.gate} |" in page, (
            "run ./inv test --all --select tests/gauntlet, then .local/venv/bin/python -m tests.gauntlet.table"
        )
    for change in changes.GOOD:
        assert f"| {change.name} | passes |" in page
