"""A preview in its pull request: comment, deployment, label and time to live, with the rights that the jobs have."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ruamel.yaml import YAML

from localgithub import server
from localgithub.api import Store
from pipeline.commands import expire_previews, preview
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.github import previews, rehearsal
from pipeline.releases.project import Previews, project
from tests.answering import Handler, served

COMMIT, NEXT = "a" * 40, "b" * 40
LABEL = {"name": previews.LABEL}


def rights(workflow: str, job: str) -> dict[str, str]:
    """What a job's token may do, as its workflow says."""
    file = ROOT / rehearsal.WORKFLOWS / workflow
    jobs = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["jobs"]
    return dict(jobs[job]["permissions"])


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with server.serve() as (url, store):
        monkeypatch.setenv("GITHUB_API_URL", url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
        monkeypatch.setenv("GITHUB_TOKEN", "job-token")
        store.permissions = rights("preview.yml", "image")
        yield store


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes `previews` of project.yaml."""

    def change(**fields: Any) -> None:
        monkeypatch.setitem(vars(project()), "previews", Previews(**fields))

    return change


@contextmanager
def serving(commit: str) -> Iterator[str]:
    """A preview that answers as this commit, on a host of its own; yields its address without the scheme."""

    class Version(Handler):
        def do_GET(self) -> None:
            self.answer(json.dumps({"commit": commit}).encode())

    with served(Version) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def show(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Shows the preview of pull request 1 at a commit while another one answers at its address."""
    probes = replace(project().probes, version="/version")  # an application need not have one
    monkeypatch.setitem(vars(project()), "probes", probes)

    def shown(commit: str, answering: str) -> str:
        with serving(answering) as host:
            monkeypatch.setattr(Previews, "host", lambda *_: host)
            monkeypatch.setattr(preview, "PATIENCE", 0.2)
            monkeypatch.setattr(preview, "INTERVAL", 0.05)
            monkeypatch.setattr(preview, "SCHEME", "http")
            preview.run("1", commit)
        return host

    return shown


def comment(store: Store, number: int = 1) -> str:
    """The one comment that ours wrote."""
    [only] = store.comments(number)
    return str(only["body"])


def states(store: Store) -> list[list[str]]:
    """The states of each deployment, oldest first; the newest deployment first."""
    return [
        [status["state"] for status in reversed(deployment["statuses"])]
        for deployment in store.deployments
    ]


def test_the_address_is_a_deployment_of_the_commit_and_in_the_comment(
    store: Store, show: Callable[[str, str], str]
) -> None:
    store.open_pull("feature", COMMIT, previews.LABEL)
    host = show(COMMIT, COMMIT)
    [deployment] = store.deployments
    assert (deployment["ref"], deployment["environment"]) == (COMMIT, "preview-1")
    assert states(store) == [["in_progress", "success"]]
    url = f"http://{host}{project().previews.path}"
    # GitHub links the address from the start: the wait comes after.
    assert {status["environment_url"] for status in deployment["statuses"]} == {url}
    assert f"`{COMMIT[:12]}`: {url} answers." in comment(store)
    assert store.calls.index("POST issues/1/comments") > store.calls.index("POST deployments")


def test_a_preview_that_does_not_answer_as_the_commit_has_failed(
    store: Store, show: Callable[[str, str], str]
) -> None:
    store.open_pull("feature", COMMIT, previews.LABEL)
    with pytest.raises(PipelineError, match="does not answer as aaaaaaaaaaaa"):
        show(COMMIT, NEXT)
    assert states(store) == [["in_progress", "failure"]]
    assert "does not answer" in comment(store)


def test_a_newer_commits_deployment_takes_the_place_of_the_earlier_ones(
    store: Store, show: Callable[[str, str], str]
) -> None:
    pull = store.open_pull("feature", COMMIT, previews.LABEL)
    show(COMMIT, COMMIT)
    pull["head"]["sha"] = NEXT
    show(NEXT, NEXT)
    assert states(store) == [["in_progress", "success"], ["in_progress", "success", "inactive"]]
    assert NEXT[:12] in comment(store)


def test_an_image_of_an_earlier_commit_is_not_shown(store: Store) -> None:
    store.open_pull("feature", NEXT, previews.LABEL)
    preview.run("1", COMMIT)
    assert not store.deployments
    assert not store.comments(1)


def test_without_a_domain_the_comment_says_how_to_reach_it_and_names_no_address(
    store: Store, settings: Callable[..., None]
) -> None:
    settings(path="/start")
    store.open_pull("feature", COMMIT, previews.LABEL)
    preview.run("1", COMMIT)
    name = project().name
    command = f"kubectl -n {name}-preview-1 port-forward service/{name} 8080:http"
    assert f"`{command}`, then http://localhost:8080/start" in comment(store)
    assert not store.deployments
    assert "7 days without a push" in comment(store)


@pytest.mark.parametrize("missing", ["deployments", "pull-requests"])
def test_a_token_without_the_right_is_refused(
    store: Store, show: Callable[[str, str], str], missing: str
) -> None:
    store.open_pull("feature", COMMIT, previews.LABEL)
    assert store.permissions
    del store.permissions[missing]
    with pytest.raises(PipelineError, match="403 Resource not accessible by integration"):
        show(COMMIT, COMMIT)


def test_github_merges_main_and_waits_for_checks_unless_told_otherwise(store: Store) -> None:
    body = {"ref": COMMIT, "environment": "preview-1"}
    assert store.answer("POST", "deployments", {}, body)[0] == 409


@pytest.mark.parametrize("change", ["closed", "unlabelled"])
def test_the_end_of_a_preview_is_said_and_its_deployments_are_inactive(
    store: Store, show: Callable[[str, str], str], change: str
) -> None:
    pull = store.open_pull("feature", COMMIT, previews.LABEL)
    show(COMMIT, COMMIT)
    pull["state"] = "closed" if change == "closed" else "open"
    pull["labels"] = pull["labels"] if change == "closed" else []
    store.permissions = rights("preview-end.yml", "end")
    preview.run("1", None)
    preview.run("1", None)
    assert states(store) == [["in_progress", "success", "inactive"]]
    assert comment(store).startswith(f"{previews.MARKER}\n**No preview.**")
    assert (previews.RENEW in comment(store)) == (change == "unlabelled")


def test_a_forks_label_goes_with_the_next_commit(
    store: Store, settings: Callable[..., None]
) -> None:
    settings()
    pull = store.open_pull("feature", COMMIT, previews.LABEL, "documentation", fork=True)
    # A maintainer has pushed the commit that was read to the branch preview/1.
    preview.run("preview/1", COMMIT)
    assert COMMIT[:12] in comment(store)
    pull["head"]["sha"] = NEXT
    store.permissions = rights("preview-end.yml", "end")
    preview.run("1", None)
    assert pull["labels"] == [{"name": "documentation"}]
    assert previews.RENEW in comment(store)
    # The image of the commit that nobody has read is none that a workflow pushes: nothing is shown for it.
    preview.run("preview/1", COMMIT)
    assert comment(store).startswith(f"{previews.MARKER}\n**No preview.**")


def test_an_own_pull_request_keeps_its_label(store: Store) -> None:
    pull = store.open_pull("feature", COMMIT, previews.LABEL)
    preview.run("1", None)
    assert pull["labels"] == [LABEL]


def test_a_fork_that_is_gone_is_still_one() -> None:
    pull = {"head": {"repo": None}, "base": {"repo": {"id": 1}}}
    assert previews.is_fork(pull)


def days_ago(days: float) -> str:
    """A time as GitHub writes it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("opened", "runs", "stays"),
    [
        (20, [9, 8], False),
        (20, [9, 6], True),
        (6, [], True),
        (8, [], False),
    ],
)
def test_a_preview_goes_after_days_without_a_push(
    store: Store, settings: Callable[..., None], opened: float, runs: list[float], stays: bool
) -> None:
    settings(days=7)
    store.permissions = rights("preview-end.yml", "expire")
    pull = store.open_pull("feature", COMMIT, previews.LABEL)
    pull["created_at"] = days_ago(opened)
    store.made["actions/runs"] = [
        *({"head_sha": COMMIT, "created_at": days_ago(age)} for age in runs),
        {"head_sha": NEXT, "created_at": days_ago(0)},
    ]
    expire_previews.run()
    assert (LABEL in pull["labels"]) == stays
    if not stays:
        assert "no push for 7 days" in comment(store)
        assert previews.RENEW in comment(store)


def test_a_pull_request_without_a_preview_is_left_alone(
    store: Store, settings: Callable[..., None]
) -> None:
    settings(days=1)
    store.permissions = rights("preview-end.yml", "expire")
    for labels, state in (((), "open"), ((previews.LABEL,), "closed")):
        pull = store.open_pull(f"feature-{state}", COMMIT, *labels)
        pull |= {"created_at": days_ago(30), "state": state}
    expire_previews.run()
    assert not any(store.comments(pull["number"]) for pull in store.pulls)
    assert [len(pull["labels"]) for pull in store.pulls] == [0, 1]


@pytest.mark.parametrize("name", ["", "0", "preview/", "feature/1", "1 2", "preview/1/2"])
def test_what_is_no_pull_request_is_refused(name: str) -> None:
    with pytest.raises(PipelineError, match="is no pull request"):
        preview.run(name, COMMIT)
