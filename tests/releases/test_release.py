"""A release is a commit on main: one line of an environment's file, whoever else pushes."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from localgithub import server
from pipeline.argocd import application
from pipeline.commands import environments as environments_command
from pipeline.commands import release
from pipeline.core import waiting
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ENVIRONMENTS
from pipeline.git import repository as git
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.releases.desired import Desired, on_github
from tests.releases.repository import (
    NEW,
    OLD,
    REST,
    TEXT,
    desired,
    merge,
    publish,
    run,
    settle,
    to_new,
)


def test_exactly_one_line_of_every_environment_changes() -> None:
    for file in ENVIRONMENTS.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        changed = releases.with_digest(text, NEW)
        pairs = zip(text.splitlines(), changed.splitlines(), strict=True)
        assert [new for old, new in pairs if old != new] == [f"  digest: {NEW}"]
        assert YAML(typ="safe").load(changed)["image"]["digest"] == NEW
        assert releases.with_digest(changed, OLD) == releases.with_digest(text, OLD)


@pytest.mark.parametrize(
    "image",
    [
        "\n  digest:",
        "\n  digest: # nothing yet",
        '\n  "digest": null',
        "\n  digest: ~\n  pull: x",
        " {name: shop, digest: null}",
        f" {{digest: {OLD}, name: shop}} # by hand",
        f'\n  digest:\n    "{OLD}" # by hand',
    ],
)
def test_a_digest_is_set_however_the_file_writes_the_old_one(image: str) -> None:
    text = f"image:{image}\nreplicaCount: 2\n"
    wanted = YAML(typ="safe").load(text)
    wanted["image"]["digest"] = NEW
    assert YAML(typ="safe").load(releases.with_digest(text, NEW)) == wanted


@pytest.mark.parametrize("digest", ["latest", "sha256:abc", "", f"{NEW}\nreplicaCount: 0"])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(PipelineError, match="not an image digest"):
        releases.with_digest(TEXT, digest)


def test_the_commit_is_pushed_and_the_work_tree_stays(clone: Path) -> None:
    source = merge(clone, "one")
    (clone / "half-done").write_text("work", encoding="utf-8")
    before = run(clone, "status", "--porcelain", "--branch")
    commit = publish(clone, NEW, source)
    assert commit
    assert run(clone, "status", "--porcelain", "--branch") == before
    assert desired(clone).tip() == commit
    assert run(clone, "diff", "--name-only", source, commit) == "environments/staging.yaml"
    message = run(clone, "log", "-1", "--format=%B", commit)
    assert "[skip ci]" in message.splitlines()
    assert f"Source-Commit: {source}" in message


def test_the_revert_of_a_digest_starts_the_workflows(clone: Path) -> None:
    commit = publish(clone, NEW, merge(clone, "one"))
    assert commit
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", commit)
    run(clone, "revert", "--no-edit", commit)
    assert "[skip ci]" not in run(clone, "log", "-1", "--format=%B")


def test_the_same_digest_again_makes_no_commit(clone: Path) -> None:
    source = merge(clone, "one")
    first = publish(clone, NEW, source)
    assert publish(clone, NEW, source) is None
    assert desired(clone).tip() == first


def test_a_merge_in_between_is_kept(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = merge(clone, "one")
    pushed: list[str] = []
    real = git.push

    def racing(commit: str, **settings: object) -> None:
        if not pushed:
            pushed.append(merge(clone, "two"))
        real(commit, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(git, "push", racing)
    commit = publish(clone, NEW, source)
    assert commit
    assert run(clone, "rev-parse", f"{commit}^") == pushed[0]


def test_an_old_run_started_again_is_refused(clone: Path) -> None:
    older, newer = merge(clone, "one"), merge(clone, "two")
    publish(clone, NEW, newer)
    with pytest.raises(PipelineError, match="already runs commit") as caught:
        publish(clone, OLD, older)
    assert "rollback.yml" in caught.value.next_step


def test_a_deployment_of_what_git_has_left_is_refused(clone: Path) -> None:
    publish(clone, OLD, merge(clone, "one"))
    wanted = settle(clone, 5)
    release.refuse_left(desired(clone).tip(), "staging", wanted, root=clone)
    merge(clone, "an-other-file")
    release.refuse_left(desired(clone).tip(), "staging", wanted, root=clone)
    newer = settle(clone, 6)
    with pytest.raises(PipelineError, match=rf"is what {newer[:12]} says \(Run 6\)"):
        release.refuse_left(desired(clone).tip(), "staging", wanted, root=clone)


def test_a_commit_that_is_not_on_main_is_refused(clone: Path) -> None:
    run(clone, "commit", "-q", "--allow-empty", "-m", "Not merged")
    with pytest.raises(PipelineError, match="is not on main"):
        publish(clone, NEW, run(clone, "rev-parse", "HEAD"))


def test_a_branch_that_refuses_the_push_is_named(clone: Path) -> None:
    source = merge(clone, "one")
    hook = clone.parent / "github.git" / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\necho 'GH013: Repository rule violations found' >&2\nexit 1\n", encoding="utf-8"
    )
    hook.chmod(0o755)
    with pytest.raises(PipelineError, match="was refused") as caught:
        publish(clone, NEW, source)
    assert "release app" in caught.value.next_step


def test_the_history_names_the_commits_that_set_a_digest(clone: Path) -> None:
    first = publish(clone, OLD, merge(clone, "one"))
    second = publish(clone, NEW, merge(clone, "two"))
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", "origin/main")
    file = clone / "environments" / "staging.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("Count: 2", "Count: 3"), encoding="utf-8"
    )
    run(clone, "commit", "-q", "-am", "Scale")
    run(clone, "push", "-q", "origin", "HEAD:main")
    states = releases.history(desired(clone).tip(), "staging", root=clone)
    assert [(state.commit, state.digest) for state in states[:2]] == [(second, NEW), (first, OLD)]


def test_a_release_is_live_at_a_later_commit_that_names_its_digest(clone: Path) -> None:
    released = publish(clone, OLD, merge(clone, "one"))
    assert released is not None
    later = merge(clone, "two")  # of somebody else, while the deployment waits
    superseded = publish(clone, NEW, later)
    run(clone, "checkout", "-q", "--orphan", "other")
    run(clone, "commit", "-q", "-m", "Another branch")
    other = run(clone, "rev-parse", "HEAD")

    def contains(commit: str | None, revision: str) -> bool:
        return releases.contains(desired(clone), str(commit), revision, "staging")

    assert contains(released, released)
    assert contains(later, released)
    assert not contains(released, later)
    assert not contains(superseded, released)
    assert not contains(other, released)
    assert not contains("0" * 40, released)


def test_a_fetch_that_fails_during_a_sync_decides_nothing(clone: Path) -> None:
    released = publish(clone, OLD, merge(clone, "one"))
    later = merge(clone, "two")
    contains = application.contained(desired(clone), str(released), "staging")
    remote = clone.parent / "github.git"
    away = remote.rename(clone.parent / "away.git")
    assert not contains(later)
    away.rename(remote)
    assert contains(later)


def test_the_token_of_the_job_fetches_where_no_app_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_TOKEN", "of-the-job")
    assert on_github().token == "of-the-job"
    monkeypatch.setenv("RELEASE_TOKEN", "of-the-app")
    assert on_github().token == "of-the-app"


def test_a_private_repository_is_fetched_with_the_jobs_token_and_pushed_with_the_apps(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    tip = merge(clone, "one")
    with server.serve("owner/name", server.APP_TOKEN, bare=clone.parent / "github.git") as (url, _):
        monkeypatch.setenv("GITHUB_SERVER_URL", url)
        run(clone, "remote", "set-url", "origin", f"{url}/owner/name.git")

        def github() -> Desired:
            return dataclasses.replace(on_github(), root=clone)

        monkeypatch.delenv("GITHUB_TOKEN", raising=False)
        with pytest.raises(CommandFailedError, match="could not read Username"):
            github().tip()
        monkeypatch.setenv("GITHUB_TOKEN", server.JOB_TOKEN)
        assert github().tip() == tip
        with pytest.raises(PipelineError, match="403"):
            releases.set_text(github(), "staging", to_new, message="By the job\n")
        monkeypatch.setenv("RELEASE_TOKEN", server.APP_TOKEN)
        monkeypatch.setenv("RELEASE_APP", server.APP)
        monkeypatch.setenv("GITHUB_API_URL", url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
        commit = releases.set_text(github(), "staging", to_new, message="By the app\n")
        assert github().tip() == commit
        author = "release-app[bot] <4711+release-app[bot]@users.noreply.github.com>"
        assert run(clone, "log", "-1", "--format=%an <%ae>", str(commit)) == author


@pytest.mark.parametrize("came_in", [True, False])
def test_a_remote_that_is_busy_is_asked_again_and_a_release_is_made_once(
    clone: Path, came_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = CommandFailedError(
        "git", next_step="", log=None, code=1, tail=["error: RPC failed; HTTP 502 curl 22"]
    )
    source, left = merge(clone, "one"), {"fetch": 1, "push": 1}
    fetch, push = git.fetch, git.push

    def fetched(*arguments: Any, **options: Any) -> str:
        if left["fetch"]:
            left["fetch"] = 0
            raise busy
        return fetch(*arguments, **options)

    def pushed(*arguments: Any, **options: Any) -> None:
        if came_in or not left["push"]:
            push(*arguments, **options)
        if left["push"]:
            left["push"] = 0
            raise busy

    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (0,))
    monkeypatch.setattr(git, "fetch", fetched)
    monkeypatch.setattr(git, "push", pushed)
    commit = publish(clone, NEW, source)
    assert left == {"fetch": 0, "push": 0}
    assert desired(clone).tip() == commit
    assert run(clone, "rev-list", "--count", f"{source}..{commit}") == "1"


def test_the_jobs_of_the_workflows_come_from_the_files(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("local", "staging", "production", "qa"):
        (tmp_path / f"{name}.yaml").touch()
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    listed = environments_command.run().outputs["environments"]
    assert json.loads(listed) == ["production", "qa", "staging"]
    unknown = environments_command.run("0" * 40, ["staging"]).outputs["environments"]
    assert json.loads(unknown) == ["production", "qa"]


@pytest.mark.parametrize("revision", ["main", "abc1234", 7])
def test_a_revision_is_a_full_commit_id(tmp_path: Path, revision: object) -> None:
    file = tmp_path / "staging.yaml"
    text = TEXT.replace("replica", f"revision: {revision}\nreplica")
    file.write_text(
        f"{text}{REST}",
        encoding="utf-8",
    )
    with pytest.raises(PipelineError, match="40 hex digits"):
        environments.read(file)


def test_a_laptop_does_not_change_main(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    with pytest.raises(PipelineError, match="by the workflows alone"):
        on_github()


def test_a_proposal_is_a_branch_on_the_newest_commit_also_when_it_is_made_again(
    clone: Path,
) -> None:
    """That of a proposal that was merged or closed is there still, on the commit of that time."""
    for number in ("one", "two"):
        tip = merge(clone, number)
        releases.propose(
            desired(clone), "staging", to_new(TEXT), branch="promote/x", tip=tip, message=number
        )
        run(clone, "fetch", "-q", "origin", "promote/x")
        assert run(clone, "diff", "--name-only", tip, "FETCH_HEAD") == "environments/staging.yaml"
        assert run(clone, "log", "--format=%s", f"{tip}..FETCH_HEAD") == number
    assert desired(clone).tip() == tip
