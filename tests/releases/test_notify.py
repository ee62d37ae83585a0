"""What a channel is told of a deployment, and that nothing in a commit's message is more than text there."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context

import tasks
from pipeline.commands import notify, release
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import notifications, reports
from pipeline.releases.project import project
from tests.releases.repository import NEW, OLD, commits, desired, merge, publish, settle

NAME = project().name
SECRET = "/services/T000/B000/secret"
HOSTILE = "Fix <!channel> & <https://evil.test|this> [now](https://evil.test) **@here**\u202e"
SEEN = "Fix <!channel> & <https://evil.test|this> [now](https://evil.test) **@here**"
#: What a step of deploy.yml or of a workflow's end passes.
PASSED = ("OUTCOME", "CHANGE", "ROLLED_BACK", "RETURNED", "URL", "NEEDS", "ISSUE")


class Receiver(HTTPServer):
    """A webhook on this machine: keeps what it is sent, and answers with ``status``."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""


@pytest.fixture
def webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    for name in (*PASSED, notifications.FORMAT):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.test",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "7",
        "GITHUB_WORKFLOW": "Main",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(reports, "REPORTS", tmp_path / "reports")
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}{SECRET}"
        monkeypatch.setenv(notifications.ADDRESS, address)
        yield server
        server.shutdown()


@pytest.fixture
def told(webhook: Receiver, clone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Tells of a deployment to staging with what its step passes; returns the message."""

    def tell(digest: str = "", **passed: str) -> Any:
        for name in PASSED:
            monkeypatch.delenv(name, raising=False)
        for name, value in passed.items():
            monkeypatch.setenv(name, value)
        notify.run("staging", digest, root=clone)
        return webhook.received[-1][2]

    yield tell


def test_a_release_is_told_with_its_change_and_where_it_runs(told: Any, clone: Path) -> None:
    source = merge(clone, "pie")
    commit = publish(clone, NEW, source)
    body = told(NEW, CHANGE=str(commit), OUTCOME="success", URL="https://staging.test")
    assert body == {
        "text": f"{NAME} staging: release bbbbbbbbbbbb is live: Add pie (Test)",
        "links": {
            "Run": "https://github.test/acme/shop/actions/runs/7",
            "Commit": f"https://github.test/acme/shop/commit/{source}",
            "Environment": "https://staging.test",
        },
    }


def test_what_git_names_without_a_digest_of_the_run_is_a_promotion(told: Any, clone: Path) -> None:
    commit = publish(clone, NEW, merge(clone, "pie"))
    body = told(CHANGE=str(commit))
    assert body["text"] == f"{NAME} staging: promotion bbbbbbbbbbbb is live: Add pie (Test)"
    assert "Environment" not in body["links"]


def test_a_change_of_settings_is_told_as_one(told: Any, clone: Path) -> None:
    publish(clone, NEW, merge(clone, "pie"))
    body = told(CHANGE=settle(clone, 3))
    assert body["text"] == f"{NAME} staging: change of settings bbbbbbbbbbbb is live: Run 3 (Test)"


def test_a_rollback_is_told_with_its_reason(
    told: Any, clone: Path, back: Callable[..., Any]
) -> None:
    for digest, name in ((OLD, "pie"), (NEW, "tea")):
        publish(clone, digest, merge(clone, name))
    back(reason="the tea is cold")
    commit = commits(clone)[0].commit
    body = told(CHANGE=commit)
    assert body["text"] == f"{NAME} staging: rollback aaaaaaaaaaaa is live: the tea is cold"
    assert body["links"]["Commit"].endswith(commit)


@pytest.mark.parametrize(
    ("returned", "ending"),
    [("true", "rolled back to"), ("false", "the way back failed to")],
)
def test_a_failed_deployment_is_told_with_what_it_went_back_to(
    told: Any, clone: Path, back: Callable[..., Any], returned: str, ending: str
) -> None:
    publish(clone, OLD, merge(clone, "pie"))
    commit = publish(clone, NEW, merge(clone, "tea"))
    back(reason="verify failed")
    body = told(
        NEW,
        CHANGE=str(commit),
        OUTCOME="failure",
        ROLLED_BACK=commits(clone)[0].commit,
        RETURNED=returned,
    )
    assert body["text"] == (
        f"{NAME} staging: release bbbbbbbbbbbb failed (verify failed), {ending} aaaaaaaaaaaa: Add tea (Test)"
    )


def test_a_deployment_that_fails_before_its_commit_is_told_by_the_merge(
    told: Any, clone: Path
) -> None:
    publish(clone, OLD, merge(clone, "pie"))
    reports.write("apply", reports.failure("no right", "get it"))
    body = told(NEW, CHANGE=merge(clone, "tea"), OUTCOME="failure")
    assert body["text"] == f"{NAME} staging: release bbbbbbbbbbbb failed (apply): Add tea (Test)"
    cancelled = told(NEW, CHANGE=merge(clone, "jam"), OUTCOME="cancelled")
    assert "release bbbbbbbbbbbb was cancelled: Add jam" in cancelled["text"]


def test_where_nothing_was_committed_what_git_names_is_told(told: Any, clone: Path) -> None:
    publish(clone, NEW, merge(clone, "pie"))
    body = told(CHANGE=merge(clone, "tea"), OUTCOME="success")
    assert body["text"] == f"{NAME} staging: deployment bbbbbbbbbbbb is live: Add tea (Test)"


def test_a_failure_with_nothing_to_go_back_from_names_no_way_back(told: Any, clone: Path) -> None:
    publish(clone, NEW, merge(clone, "pie"))
    change = settle(clone, 3)
    body = told(CHANGE=change, OUTCOME="failure", ROLLED_BACK=change, RETURNED="true")
    assert body["text"] == f"{NAME} staging: change of settings bbbbbbbbbbbb failed: Run 3 (Test)"


def test_a_release_made_again_names_its_commit(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is started again commits nothing: the message is about what it released the first time."""
    source = merge(clone, "pie")
    commit = publish(clone, NEW, source)
    monkeypatch.setattr(release, "on_github", lambda: desired(clone))
    monkeypatch.setattr(git, "revision", lambda: source)
    monkeypatch.setattr(release, "refuse_older", lambda *_: None)
    assert release.run("staging", NEW).outputs == {"commit": commit}


def test_nothing_is_told_of_an_environment_that_waits_for_its_first_release(
    clone: Path, webhook: Receiver
) -> None:
    assert notify.run("staging", root=clone).headline == "nothing is released to staging yet"
    assert webhook.received == []


def test_a_failed_merge_names_the_jobs(
    webhook: Receiver, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = {"lint": "success", "test": "failure", "image": "skipped", "deploy": "cancelled"}
    needs = {name: {"result": result, "outputs": {}} for name, result in results.items()}
    monkeypatch.setenv("NEEDS", json.dumps(needs))
    merge(clone, "pie")
    notify.run(root=clone)
    [(path, kind, body)] = webhook.received
    assert (path, kind) == (SECRET, "application/json")
    assert body["text"] == f"{NAME}, Main: test failure, deploy cancelled: Add pie (Test)"
    assert body["links"].keys() == {"Run", "Commit"}


def test_drift_names_the_environments_and_its_issue(
    webhook: Receiver, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDS", '{"drift": {"result": "failure"}}')
    monkeypatch.setenv("ISSUE", "https://github.test/acme/shop/issues/3")
    for name, text in (("staging", "### Plan\n"), ("qa", reports.failure("2 differ", "apply"))):
        file = tmp_path / "reports" / f"report-drift-{name}" / "drift.md"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    notify.run(root=clone)
    body = webhook.received[0][2]
    assert body["text"] == f"{NAME}: what runs differs from what Git says, or was not compared: qa"
    assert body["links"]["Issue"].endswith("/issues/3")


def test_results_that_cannot_be_read_are_named(webhook: Receiver) -> None:
    with pytest.raises(PipelineError, match="the results of the jobs cannot be read"):
        notify.run()
    assert webhook.received == []


def test_slack_gets_one_line_in_which_nothing_is_parsed(
    webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notifications.FORMAT, "slack")
    notifications.send(HOSTILE, {"Run": "https://github.test/run", "Environment": ""})
    body = webhook.received[0][2]
    assert "<" not in body["text"]
    assert "&lt;!channel&gt; &amp; " in body["text"]
    [block] = body["blocks"]
    [section] = block["elements"]
    assert (block["type"], section["type"]) == ("rich_text", "rich_text_section")
    assert section["elements"] == [
        {"type": "text", "text": SEEN},
        {"type": "text", "text": " · "},
        {"type": "link", "url": "https://github.test/run", "text": "Run"},
    ]


def test_teams_gets_an_adaptive_card_without_markdown(
    webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notifications.FORMAT, "teams")
    webhook.status = 202  # what a workflow answers
    notifications.send(f"{HOSTILE}\n" * 100, {"Run": "https://github.test/run"})
    body = webhook.received[0][2]
    [attachment] = body["attachments"]
    assert body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    [block] = card["body"]
    [line] = block["inlines"]
    assert (block["type"], line["type"]) == ("RichTextBlock", "TextRun")
    assert line["text"].startswith(f"{SEEN} {SEEN}")
    assert len(line["text"]) == notifications.LONGEST
    action = {"type": "Action.OpenUrl", "title": "Run", "url": "https://github.test/run"}
    assert card["actions"] == [action]


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("", "refused the message (403)"),
        ("http://127.0.0.1:9/secret", "did not answer (ConnectError)"),
        ("127.0.0.1/secret", "did not answer (UnsupportedProtocol)"),
        ("https://[secret", "did not answer ("),
        ("https://a\nsecret", "did not answer (InvalidURL)"),
        (f"https://{'secret' * 20}.test/", "did not answer ("),
    ],
)
def test_a_webhook_that_takes_nothing_is_named_without_its_address(
    webhook: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    *,
    address: str,
    cause: str,
) -> None:
    webhook.status = 403
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("NEEDS", '{"lint": {"result": "failure"}}')
    if address:
        monkeypatch.setenv(notifications.ADDRESS, address)
    with pytest.raises(SystemExit):
        tasks.ns["notify"].body(Context())
    out, err = capfd.readouterr()
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert f"the webhook {cause}" in err
    assert "the webhook did not" in summary or "the webhook refused" in summary
    for text in (out, err, summary, caplog.text):
        assert "services" not in text
        assert "secret" not in text.replace("the secret NOTIFICATION", "").replace(
            "the secret NOTIFICATION\\_URL", ""
        )


def test_an_unknown_format_is_named(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notifications.FORMAT, "irc")
    with pytest.raises(PipelineError, match="NOTIFICATION_FORMAT is 'irc'"):
        notifications.send("text", {})
    assert webhook.received == []


def test_without_a_webhook_the_summary_says_so(
    webhook: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDS", '{"lint": {"result": "failure"}}')
    monkeypatch.setenv(notifications.ADDRESS, "")
    tasks.ns["notify"].body(Context())
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert "notifications are off in this repository" in summary
    assert webhook.received == []
