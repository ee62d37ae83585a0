"""The issue about a failed deployment, and the one about drift: opened with the cause, closed when it is gone."""

import dataclasses
import json
from pathlib import Path

import pytest

from localgithub import api as stand_in
from pipeline import runner
from pipeline.aws.ecs import Service
from pipeline.commands import issue
from pipeline.core.errors import PipelineError
from pipeline.github import reports
from pipeline.releases import environments
from pipeline.targets import ecs

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "REPORTS", tmp_path)


def needs(
    monkeypatch: pytest.MonkeyPatch, result: str, job: str = "deploy", **outputs: str
) -> None:
    monkeypatch.setenv("NEEDS", json.dumps({job: {"result": result, "outputs": outputs}}))


def test_a_failed_deployment_has_an_issue_until_the_next_one_succeeds(
    store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports.write("apply", reports.failure("alarm errors: 0.2 of 0.05", "fix the image"))
    needs(monkeypatch, "failure", back=COMMIT)
    opened = issue.run("staging").headline
    [kept] = store.issues
    assert kept["title"] == "The last deployment to staging failed"
    assert "alarm errors: 0.2 of 0.05" in kept["body"]
    assert f"Git went back by [`{COMMIT[:12]}`]" in kept["body"]
    needs(monkeypatch, "success")
    assert issue.run("production").headline == "all is as it should be, and no issue is open"
    assert issue.run("staging").headline == opened
    assert [each["state"] for each in store.issues] == ["closed"]


def test_drift_and_each_environment_have_an_issue_of_their_own(
    store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(monkeypatch, "failure", "drift")
    issue.run()
    needs(monkeypatch, "cancelled")
    issue.run("staging")
    issue.run("production")
    assert len(store.issues) == 3
    assert "before a task had told a cause" in store.issues[-1]["body"]
    assert "Git was not changed" in store.issues[-1]["body"]


def test_what_git_still_names_is_in_the_issue(
    store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promotion that was merged and then rejected: Argo CD has rolled it out by then."""
    needs(monkeypatch, "failure")
    monkeypatch.setenv("CHANGE", COMMIT)
    issue.run("production")
    [kept] = store.issues
    assert f"Git names what failed since [`{COMMIT[:12]}`]" in kept["body"]
    assert "gh workflow run rollback.yml -f environment=production" in kept["body"]
    assert "Git was not changed" not in kept["body"]
    needs(monkeypatch, "failure", back="f" * 40)
    issue.run("production")
    assert "Git went back by [`ffffffffffff`]" in kept["body"]


@pytest.mark.parametrize("environment", ["staging", ""])
def test_without_issues_the_summary_has_what_the_issue_would_say(
    environment: str, store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork has no Issues by default."""
    store.has_issues = False
    reports.write("apply", reports.failure("no memory is left", "raise it"))
    job = "deploy" if environment else "drift"
    needs(monkeypatch, "failure", job)
    result = issue.run(environment)
    assert result.headline.startswith("Issues are off in this repository")
    assert "Issues are off in this repository" in result.markdown
    assert "no memory is left" in result.markdown
    needs(monkeypatch, "success", job)
    assert issue.run(environment).headline == "all is as it should be, and no issue is open"
    assert store.issues == []


def test_another_refusal_is_a_failure(
    store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(monkeypatch, "failure")
    monkeypatch.setenv("GITHUB_TOKEN", "unknown")
    with pytest.raises(PipelineError, match="401"):
        issue.run("staging")


def test_what_succeeded_is_not_in_the_issue() -> None:
    found = {"plan": "### Plan\n\n2 to change\n", "apply": reports.failure("it fell over", "look")}
    text = issue.body(found, "staging")
    assert "it fell over" in text
    assert "2 to change" not in text


def test_the_last_lines_of_a_task_that_ecs_refused_get_into_the_issue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ecs, "last_lines", lambda *_: ["exit code 1", "```", "no table guests"])
    service = Service("family:2", 1, {"task": f"sha256:{'b' * 64}"}, None)
    wanted = dataclasses.replace(environments.load("local"), digest=f"sha256:{'a' * 64}")
    with pytest.raises(PipelineError) as refused:
        ecs._require_wanted(wanted, service)
    assert refused.value.report == "### apply\n\n````\nexit code 1\n```\nno table guests\n````\n"


@pytest.mark.parametrize("text", ["", "[]", "null", '{"drift": {}}'])
def test_a_result_that_cannot_be_read_is_refused(
    text: str, store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDS", text)
    with pytest.raises(PipelineError, match="the results of the jobs cannot be read"):
        issue.run("staging")
    assert store.issues == []


def test_a_failure_of_a_task_is_what_the_issue_looks_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the runner writes, read as the issue reads it."""
    error = PipelineError("ECS runs the old one", next_step="fix", report="### apply\n\n    boom\n")
    with pytest.raises(SystemExit):
        runner.fail("apply", error)
    text = issue.body(reports.collect(), "staging")
    assert "ECS runs the old one" in text
    assert "boom" in text
    capsys.readouterr()
