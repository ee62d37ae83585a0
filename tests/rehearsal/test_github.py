"""Text for GitHub: nothing that a stranger writes can become markup, an output or a command."""

import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from localgithub import api as stand_in
from localgithub import server
from pipeline.commands import comment, upgrade
from pipeline.core import waiting
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import api as github_api
from pipeline.github import rehearsal
from pipeline.releases.project import project
from tests.answering import Handler, served


def test_an_output_of_several_lines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    with pytest.raises(ValueError, match="several lines"):
        github.output("digest", "a\nrole=admin")
    github.output("digest", "sha256:1")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "digest=sha256:1\n"


def test_an_annotation_cannot_start_another_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    github.annotate("50% bad\n::add-mask::x", title="a,b:c", file="app/app.py", line=3)
    assert capsys.readouterr().out == (
        "::error title=a%2Cb%3Ac,file=app/app.py,line=3::50%25 bad%0A::add-mask::x\n"
    )


def test_the_ids_of_a_repository_are_asked_for_with_and_without_a_token(
    store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert github_api.ids("owner/name") == ("1100", "2200")
    monkeypatch.delenv("GITHUB_TOKEN")
    assert github_api.ids("owner/name") == ("1100", "2200")
    with pytest.raises(PipelineError, match="GitHub does not show owner/other"):
        github_api.ids("owner/other")


def test_a_customised_subject_is_refused(
    store: stand_in.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "customised_subject", True)
    with pytest.raises(PipelineError, match="customised subject"):
        github_api.ids("owner/name")


@pytest.mark.parametrize(
    ("form", "prefix"), [("", "repo:owner@1100/name@2200:"), ("legacy", "repo:owner/name:")]
)
def test_a_jobs_token_has_ids_in_its_subject_unless_the_old_form_is_asked_for(
    form: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_SUBJECT", form)
    call = server.Call(
        "GET", "/identity", {"job": "drift", "audience": "sts"}, {}, server.REQUEST_TOKEN
    )
    _, answer = server._identity("owner/name", "push", ROOT / rehearsal.WORKFLOWS, call)
    claims = json.loads(base64.urlsafe_b64decode(f"{answer['value'].split('.')[1]}=="))
    assert claims["sub"] == f"{prefix}ref:refs/heads/main"


def test_the_comment_is_written_once_and_then_rewritten(store: stand_in.Store) -> None:
    api = github_api.api()
    first = api.comment(7, comment.MARKER, "one")
    store.comments(7).append(
        {"id": 99, "body": f"{comment.MARKER}\nfake", "user": {"type": "User"}, "html_url": "x"}
    )
    second = api.comment(7, comment.MARKER, "two " + "x" * 70_000)
    assert first == second
    ours = [comment for comment in store.comments(7) if comment["user"]["type"] == "Bot"]
    assert len(ours) == 1
    assert ours[0]["body"].startswith(f"{comment.MARKER}\ntwo ")
    assert len(ours[0]["body"]) <= github.BODY_LIMIT


def test_the_comment_is_found_behind_a_hundred_others(store: stand_in.Store) -> None:
    store.comments(7).extend(
        {"id": 1000 + number, "body": "talk", "user": {"type": "User"}, "html_url": "x"}
        for number in range(150)
    )
    api = github_api.api()
    api.comment(7, comment.MARKER, "one")
    api.comment(7, comment.MARKER, "two")
    assert sum(comment["user"]["type"] == "Bot" for comment in store.comments(7)) == 1


def test_one_issue_is_opened_updated_and_closed(store: stand_in.Store) -> None:
    api = github_api.api()
    assert api.issue("<!-- drift -->", "Drift", None, label="drift", gone="It is gone.") == ""
    opened = api.issue("<!-- drift -->", "Drift", "a differs", label="drift", gone="It is gone.")
    assert (
        api.issue("<!-- drift -->", "Drift", "a and b differ", label="drift", gone="It is gone.")
        == opened
    )
    assert [issue["state"] for issue in store.issues] == ["open"]
    assert api.issue("<!-- drift -->", "Drift", None, label="drift", gone="It is gone.") == opened
    assert [issue["state"] for issue in store.issues] == ["closed"]
    assert (
        api.issue("<!-- drift -->", "Drift", "again", label="drift", gone="It is gone.") != opened
    )


def test_an_open_pull_request_is_found_and_one_that_is_closed_is_not(
    store: stand_in.Store,
) -> None:
    api = github_api.api()
    between = {"branch": "promote", "base": "main"}
    assert api.open_pull_request(**between) == ""
    url = api.pull_request(**between, title="Promote", body="why")
    assert api.open_pull_request(**between) == url
    with pytest.raises(github_api.RefusedError, match="already exists"):
        api.pull_request(**between, title="Promote", body="why")
    store.pulls[0]["state"] = "closed"
    assert api.open_pull_request(**between) == ""


def test_an_upgrade_waits_while_its_pull_request_is_open(
    store: stand_in.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.run("init", "--quiet", "--initial-branch=main", root=tmp_path)
    for message in ("adopted", "newer"):
        argv = ("commit", "--quiet", "--allow-empty", "--message", message)
        git.run(*argv, root=tmp_path, env=git.IDENTITY)
    before, new = git.run("rev-parse", "HEAD~1", "HEAD", root=tmp_path).split()
    between = {"branch": f"upgrade/{new[:12]}", "base": "main"}
    url = github_api.api().pull_request(**between, title="Upgrade", body="why")
    monkeypatch.setattr(git, "is_dirty", lambda: False)
    monkeypatch.setattr(upgrade, "project", lambda: replace(project(), delivery=before))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    monkeypatch.setenv("RELEASE_TOKEN", server.JOB_TOKEN)
    assert upgrade.run(str(tmp_path), "main", before).headline == f"it waits: {url}"


def test_a_release_is_published_once(store: stand_in.Store) -> None:
    api = github_api.api()
    one = api.release(tag="v1", commit="a" * 40, title="v1", body="first")
    assert api.release(tag="v1", commit="a" * 40, title="v1", body="second") == one
    assert [release["body"] for release in store.releases] == ["second"]


@pytest.mark.parametrize(
    ("status", "headers", "method", "asked"),
    [
        (503, {}, "GET", 2),
        (502, {}, "PATCH", 2),
        (502, {}, "POST", 1),  # it may be done
        (429, {}, "POST", 2),
        (403, {"Retry-After": "0"}, "POST", 2),
        (403, {}, "GET", 1),
        (404, {}, "GET", 1),
    ],
)
def test_what_github_is_too_busy_for_is_asked_again(
    status: int,
    headers: dict[str, str],
    method: str,
    asked: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(github_api, "RETRY_WAITS", (0, 0, 0))
    answers = iter([httpx.Response(status, headers=headers, json={}), httpx.Response(200, json={})])
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return next(answers)

    client = httpx.Client(base_url="https://api.test/", transport=httpx.MockTransport(answer))
    with contextlib.suppress(PipelineError):
        github_api.Api(client, "owner/name").call(method, "labels")
    assert seen == [method] * asked


@pytest.mark.parametrize(("method", "asked"), [("GET", 2), ("PATCH", 1)])
def test_a_connection_that_breaks_while_something_is_read_is_made_again(
    method: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (0, 0, 0))
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        if len(seen) == 1:
            raise httpx.ReadTimeout("too late")
        return httpx.Response(200, json={})

    client = httpx.Client(base_url="https://api.test/", transport=httpx.MockTransport(answer))
    with contextlib.suppress(PipelineError):
        github_api.Api(client, "owner/name").call(method, "labels")
    assert seen == [method] * asked


def test_a_repository_that_has_moved_is_read_where_it_is_now() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "old" in request.url.path:
            return httpx.Response(301, headers={"Location": "https://api.test/new/labels"})
        return httpx.Response(200, json={"name": "found"})

    client = httpx.Client(base_url="https://api.test/old/", transport=httpx.MockTransport(answer))
    api = github_api.Api(client, "owner/old")
    assert api.call("GET", "labels") == {"name": "found"}
    with pytest.raises(PipelineError, match="301"):
        api.call("POST", "labels", {})


def test_a_refusal_names_the_call_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Handler):
        def do_GET(self) -> None:
            self.answer(b'{"message": "Resource not accessible by integration"}', 403)

    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("GITHUB_TOKEN", "job-token")
    with served(Refusing) as url:
        monkeypatch.setenv("GITHUB_API_URL", url)
        with pytest.raises(PipelineError, match="403 Resource not accessible") as caught:
            github_api.api().comment(1, "<!-- x -->", "text")
    assert "permissions" in caught.value.next_step


@pytest.mark.parametrize("call", ["find", "release"])
def test_a_server_that_is_away_is_named(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("GITHUB_TOKEN", "job-token")
    api = github_api.api()
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: api.find("labels/preview"),
        "release": lambda: api.release(tag="v1", commit="a" * 40, title="v1", body=""),
    }
    with pytest.raises(PipelineError, match="GitHub did not answer GET"):
        calls[call]()


def test_without_a_token_the_task_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    with pytest.raises(PipelineError, match="GITHUB_TOKEN"):
        github_api.api()
