"""The life of the last deployment: from Git, from GitHub where it can be asked, and never a silence for a pass."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from localgithub import api as stand_in
from localgithub import server
from pipeline import targets
from pipeline.argocd import git_server
from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.commands import explain
from pipeline.commands import history as command
from pipeline.core.errors import PipelineError
from pipeline.github import api, reviews
from pipeline.releases import environments
from pipeline.releases.desired import Desired, verification
from pipeline.releases.image_reference import ImageReference
from tests.releases.repository import TEXT
from tests.releases.test_history import DAY, HOUR, START, Repository, digest, message, released

HOSTILE = "[red]<b>\x1b[31m\u202e ::error::x"
NOW = START + 3 * DAY


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which neither engine runs, and which no token leads to GitHub."""

    def unknown(*_: object) -> dict[str, object]:
        raise PipelineError("the local AWS does not run", next_step="start it")

    monkeypatch.setattr(targets, "find", lambda _: SimpleNamespace(observe=lambda _: None))
    monkeypatch.setattr(admission, "provenance_here", unknown)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: None) -> Repository:
    """An empty repository of this machine."""
    repository = Repository(tmp_path / "delivery.git")
    desired = Desired(str(repository.folder), root=repository.folder)
    monkeypatch.setattr(git_server, "readable", lambda: desired)
    monkeypatch.setattr(git_server, "head", lambda: "a" * 40)
    return repository


def rolled_back(repository: Repository, reason: str) -> dict[int, str]:
    """Two releases, the second of which is rolled back after two hours; returns the commits' ids by mark."""
    ids: dict[int, str] = {}
    for attempt in range(4):  # messages name commits before them: each round fixes one more id
        made = Repository(
            repository.folder if attempt == 3 else repository.folder.with_name(f"{attempt}.git")
        )
        two, four, five = (ids.get(mark, "0" * 40) for mark in (2, 4, 5))
        made.commit(START, "Start", text=TEXT)
        made.commit(START + HOUR, "One")
        made.commit(START + 2 * HOUR, message("Release one", 1, two), text=released(1))
        made.commit(START + DAY, f"Two {HOSTILE}", author="Bob")
        made.commit(START + DAY + HOUR, message("Release two", 2, four), text=released(2))
        back = message("Roll back", 1, two, reverts=five) + f"Reason: {reason}\n"
        made.commit(START + DAY + 3 * HOUR, back, text=released(1), author="Cleo")
        made.note(3, verification(["ecs", "kubernetes"], START + 3 * HOUR))
        ids = made.ids()
    return ids


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The lines above the figures by their names; of several of one name the last."""
    lines = capsys.readouterr().out.partition("last 90 days")[0].splitlines()
    return {line[:14].strip(): line[14:].strip() for line in lines}


def test_a_rolled_back_deployment_says_why_and_what_ran_before(
    here: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = rolled_back(here, "apply, verify failed")
    headline = explain.run("staging", as_json=False).headline
    lines = told(capsys)
    assert lines["deployment"].startswith(f"{ids[5][:12]} 2026-09-08 10:00 Release two")
    assert lines["image"] == digest(2)
    assert lines["source"].startswith(f"{ids[4][:12]} Two")
    assert lines["brought"].endswith("(Bob)")
    assert lines["verified"] == "never"
    before = "ran 23.0 h, verified: 2026-09-07 12:00 on ecs, kubernetes"
    assert lines["before"] == f"{digest(1)[7:19]}, {before}"
    assert lines["rolled back"].endswith(f"Roll back (Cleo), to {digest(1)[7:19]}")
    assert lines["why"] == "apply, verify failed"
    assert (
        headline
        == f"staging: {digest(2)[7:19]} was rolled back after 2.0 h, by this machine's repository"
    )


def test_the_figures_before_it_know_nothing_of_it(here: Repository) -> None:
    rolled_back(here, "verify failed")
    life = explain.read(git_server.readable(), "staging", NOW)
    assert life is not None
    before, after = life.figures
    assert (before.deployments, before.failed, before.recovery) == (1, 0, None)
    assert (after.deployments, after.failed, after.recovery) == (2, 0.5, 2 * HOUR)


def test_what_cannot_be_asked_is_not_checked(
    here: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    rolled_back(here, "verify failed")
    explain.run("staging", as_json=False)
    lines = told(capsys)
    for name in ("checks", "approved", "let in", "built", "ecs", "kubernetes"):
        assert lines[name].startswith("NOT CHECKED: "), name
    assert lines["requests"].startswith("NOT RECORDED")
    asked = json.loads(explain.run("staging", as_json=True).headline)
    assert asked["checks"] == {"not_checked": "it was deployed on this machine"}
    assert asked["end"]["reason"] == "verify failed"
    assert asked["dora"]["after"]["recovery_seconds"] == 7200


def test_what_others_wrote_stays_text(here: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    rolled_back(here, HOSTILE)
    explain.run("staging", as_json=False)
    printed = capsys.readouterr().out
    assert "[red]<b>" in printed
    assert not {"\x1b", "\u202e"} & set(printed)


def test_a_rollback_of_settings_is_not_the_end_of_the_image(here: Repository) -> None:
    here.commit(START, "Start", text=TEXT)
    here.commit(START + HOUR, message("Release one", 1, "c" * 40), text=released(1))
    more = released(1).replace("Count: 2", "Count: 3")
    here.commit(START + 2 * HOUR, "More replicas", text=more)
    back = message("Roll back", 1, "c" * 40, reverts="d" * 40)
    here.commit(START + 3 * HOUR, back, text=released(1))
    here.ids()
    life = explain.read(git_server.readable(), "staging", NOW)
    assert life is not None
    assert (life.end, life.before) == (None, None)
    assert [each.change for each in life.since] == ["Roll back", "More replicas"]


def test_before_the_first_release_that_is_said(here: Repository) -> None:
    here.commit(START, "Start", text=TEXT)
    here.ids()
    headline = explain.run("staging", as_json=False).headline
    assert headline == "nothing is released to staging yet"


def test_a_release_that_this_clone_has_not_pulled_is_told(
    here: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(account: str, image: ImageReference) -> dict[str, object]:
        raise PipelineError(f"{account} has no {image.digest[-2:]}", next_step="push it")

    monkeypatch.setattr(git_server, "head", lambda: None)
    monkeypatch.setattr(aws, "account", lambda environment: environment.name)
    monkeypatch.setattr(admission, "provenance", missing)
    monkeypatch.setattr(environments, "waits_for_release", lambda _: True)
    rolled_back(here, "verify failed")
    assert "was rolled back" in explain.run("staging", as_json=False).headline
    assert told(capsys)["built"] == "NOT CHECKED: staging has no 02"
    history = command.run("staging", days=90, as_json=False, html=False).headline
    assert history == f"4 changes of 1 environments, by {here.folder}/main"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[stand_in.Store]:
    with server.serve() as (url, store):
        monkeypatch.setenv("GITHUB_API_URL", url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
        yield store


def review(login: str, state: str) -> dict[str, object]:
    return {"user": {"login": login}, "state": state}


def test_an_approval_that_was_taken_back_is_none(github: stand_in.Store) -> None:
    pulls: list[dict[str, object]] = [
        {"number": 7, "merged_at": "2026-09-08"},
        {"number": 8, "merged_at": None},
    ]
    judged = [
        *(review("ada", "APPROVED"), review("bob", "APPROVED"), review("ada", "COMMENTED")),
        *(review("bob", "CHANGES_REQUESTED"), review("cleo", "DISMISSED")),
    ]
    github.made |= {"commits/abc/pulls": pulls, "pulls/7/reviews": judged}
    assert reviews.approvals(api.of("owner/name", "job-token"), "abc") == {7: ["ada"]}


def test_every_check_counts_also_those_of_later_pages(github: stand_in.Store) -> None:
    runs: list[dict[str, str | None]] = [
        {"name": f"check {n}", "status": "completed", "conclusion": "success"} for n in range(100)
    ]
    runs.append({"name": "slow", "status": "in_progress", "conclusion": None})
    github.made["commits/abc/check-runs"] = runs
    found = reviews.checks(api.of("owner/name", "job-token"), "abc")
    assert (len(found), found["slow"], found["check 0"]) == (101, "in_progress", "success")


def test_those_who_let_the_deployment_in_are_of_its_environment(github: stand_in.Store) -> None:
    def let(login: str, state: str, environment: str) -> dict[str, object]:
        return {**review(login, state), "environments": [{"name": environment}]}

    given = [let("ada", "approved", "staging"), let("bob", "approved", "production")]
    github.made |= {
        "actions/runs": [{"id": 1, "head_sha": "abc"}, {"id": 2, "head_sha": "other"}],
        "actions/runs/1/approvals": [*given, let("cleo", "rejected", "staging")],
    }
    asked = api.of("owner/name", "job-token")
    assert reviews.deployers(asked, "abc", "staging") == ["ada"]


def test_github_is_asked_with_a_token_and_a_refusal_is_no_pass(
    here: Repository,
    github: stand_in.Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = rolled_back(here, "verify failed")
    life = explain.read(git_server.readable(), "staging", NOW)
    assert life is not None
    asked = dict(explain._questions(environments.load("staging"), life, here=False))
    assert explain._asked(asked["checks"]) == {"not_checked": "GITHUB_TOKEN is not set"}
    monkeypatch.setenv("GITHUB_TOKEN", "job-token")
    unknown = explain._asked(asked["approved"])["not_checked"]
    assert "422 No commit found" in unknown
    github.made |= {f"commits/{ids[mark]}/pulls": [] for mark in (4, 5)}
    github.made[f"commits/{ids[4]}/check-runs"] = []
    answers = {name: explain._asked(asked[name]) for name in ("checks", "approved")}
    words = dict(explain._answers(answers, life))
    assert words["checks"].startswith("NONE ran")
    assert words["approved"].startswith("NOBODY")


def test_what_aws_refuses_is_not_checked() -> None:
    def ask() -> None:
        raise ClientError({"Error": {"Message": "not authorized"}}, "DescribeServices")

    assert explain._asked(ask) == {"not_checked": "AWS refused DescribeServices: not authorized"}
