"""The digest in Git: one line changes, nobody's work tree does, and an old run cannot overtake a new one."""

import dataclasses
import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from localgithub import server
from pipeline.argocd import application, git_server
from pipeline.aws import account, registry
from pipeline.commands import apply, drift, plan, promote, release, rollback, sync, verify
from pipeline.commands import environments as environments_command
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ENVIRONMENTS
from pipeline.git import repository as git
from pipeline.releases import environments, promotion
from pipeline.releases import history as releases
from pipeline.releases.desired import Desired, on_github, set_note, verification
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import ecs, kubernetes, web
from pipeline.targets.state import State
from pipeline.terraform import run as terraform
from pipeline.terraform.roots import Root

OLD, NEW, OLDEST = (f"sha256:{letter * 64}" for letter in "abc")
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop"
TEXT = f"name: staging\nimage:\n  repository: {REPOSITORY}\n  digest: null # nothing yet\nreplicaCount: 2\n"
REST = 'database:\n  engine: postgresql\naws: {account_id: "123456789012"}\n'


def run(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose origin is a bare repository with one commit on main."""
    bare, folder = tmp_path / "github.git", tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
    subprocess.run(["git", "clone", "-q", bare, folder], check=True, capture_output=True)
    run(folder, "checkout", "-q", "-b", "main")
    (folder / "environments").mkdir()
    (folder / "environments" / "staging.yaml").write_text(TEXT, encoding="utf-8")
    run(folder, "add", ".")
    run(folder, "commit", "-q", "-m", "Start")
    run(folder, "push", "-q", "origin", "main")
    return folder


def to_new(text: str) -> str:
    return releases.with_digest(text, NEW)


def desired(clone: Path) -> Desired:
    return Desired("origin", root=clone)


def merge(clone: Path, name: str) -> str:
    """Somebody merges a change to main; returns the commit."""
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", "origin/main")
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text(name, encoding="utf-8")
    run(clone, "add", ".")
    run(clone, "commit", "-q", "-m", f"Add {name}")
    run(clone, "push", "-q", "origin", "HEAD:main")
    return run(clone, "rev-parse", "HEAD")


def publish(clone: Path, digest: str, source: str) -> str | None:
    image = ImageReference(REPOSITORY, digest)
    text = releases.message(f"Release {image.short} to staging", image, source=source)
    return releases.set_text(
        desired(clone),
        "staging",
        lambda text: releases.with_digest(text, digest),
        message=text,
        check=lambda tip: _newest(clone, tip, source),
    )


def _newest(clone: Path, tip: str, source: str) -> None:
    release.refuse_older(tip, "staging", source, root=clone)


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


def settle(clone: Path, replicas: int) -> str:
    """Somebody merges a change of staging's settings; returns the commit."""
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", "origin/main")
    file = clone / "environments" / "staging.yaml"
    text = re.sub(r"Count: \d+", f"Count: {replicas}", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    run(clone, "commit", "-q", "-am", f"Run {replicas}")
    run(clone, "push", "-q", "origin", "HEAD:main")
    return run(clone, "rev-parse", "HEAD")


@pytest.fixture
def back(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str | None, int]]:
    """Rolls staging back as a workflow does; returns the digest and the replicas that Git then names."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr(kubernetes, "desired", lambda: desired(clone))

    def roll(revision: str | None = None) -> tuple[str | None, int]:
        rollback.run("staging", revision)
        content = releases.commits(desired(clone).tip(), "staging", root=clone)[0].content
        return content["image"]["digest"], content["replicaCount"]

    return roll


def test_a_rollback_after_a_change_of_settings_alone_keeps_the_image(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    publish(clone, OLD, merge(clone, "one"))
    publish(clone, NEW, merge(clone, "two"))
    settle(clone, 9)
    assert back() == (NEW, 2)


def test_a_second_rollback_goes_further_and_never_to_what_was_left(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    publish(clone, OLDEST, merge(clone, "zero"))
    publish(clone, OLD, merge(clone, "one"))
    publish(clone, NEW, merge(clone, "two"))
    assert back() == (OLD, 2)
    assert back() == (OLDEST, 2)
    with pytest.raises(PipelineError, match="no earlier release"):
        back()


def test_a_rollback_keeps_the_settings_that_the_earlier_image_ran_with(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    publish(clone, OLD, merge(clone, "one"))
    settle(clone, 4)
    publish(clone, NEW, merge(clone, "two"))
    assert back() == (OLD, 4)


def test_what_never_became_healthy_is_not_gone_back_to(
    clone: Path, back: Callable[..., tuple[str | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_server, "BARE", clone.parent / "github.git")
    publish(clone, OLDEST, merge(clone, "zero"))
    never = publish(clone, OLD, merge(clone, "one"))
    publish(clone, NEW, merge(clone, "two"))
    assert never
    with pytest.raises(PipelineError), git_server.judged(never):
        raise PipelineError("a pod is not ready", next_step="look")
    assert [entry.failed for entry in commits(clone)] == [False, True, False, False]
    with git_server.judged(never):
        pass
    assert not any(entry.failed for entry in commits(clone))
    with pytest.raises(PipelineError), git_server.judged(never):
        raise PipelineError("a pod is not ready", next_step="look")
    assert back() == (OLDEST, 2)


def commits(clone: Path) -> list[releases.Release]:
    return releases.commits(desired(clone).tip(), "staging", root=clone)


def test_a_rollback_on_this_machine_brings_every_target_to_the_digest(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = (ENVIRONMENTS / "local.yaml").read_text(encoding="utf-8")
    for digest in (OLD, NEW):
        run(clone, "fetch", "-q")
        run(clone, "checkout", "-q", "--detach", "origin/main")
        file = clone / "environments" / "local.yaml"
        file.write_text(releases.with_digest(local, digest), encoding="utf-8")
        run(clone, "add", ".")
        run(clone, "commit", "-q", "-m", "Release")
        run(clone, "push", "-q", "origin", "HEAD:main")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(environments, "LOCAL", tmp_path)
    monkeypatch.setattr(environments, "MEMORY", tmp_path / "digest.json")
    monkeypatch.setattr(kubernetes, "desired", lambda: desired(clone))
    monkeypatch.setattr(kubernetes, "released", lambda *_: "")
    monkeypatch.setattr(ecs, "observe", lambda _: State("", "", "", healthy=True, replicas=2))
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=True))
    planned: list[str | None] = []

    def plan_local(root: Root) -> terraform.Plan:
        planned.append(environments.read(Path(root.variables["environment_file"])).digest)
        return terraform.Plan(root, changed=True, document={}, key="")

    monkeypatch.setattr(terraform, "plan", plan_local)
    monkeypatch.setattr(ecs, "deliver", lambda _: "1 resources changed")
    assert rollback.run("local").headline.endswith("; ECS: 1 resources changed")
    assert planned == [OLD]
    assert environments.resolved("local").digest == OLD


def test_what_was_released_again_can_be_gone_back_to(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    publish(clone, OLD, merge(clone, "one"))
    publish(clone, NEW, merge(clone, "two"))
    back()
    publish(clone, NEW, merge(clone, "three"))
    publish(clone, OLDEST, merge(clone, "four"))
    assert back() == (NEW, 2)


def test_a_rollback_to_a_commit_brings_its_whole_state(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    first = publish(clone, OLD, merge(clone, "one"))
    settle(clone, 4)
    publish(clone, NEW, merge(clone, "two"))
    assert back(first) == (OLD, 2)


def test_an_environment_that_was_never_released_is_left_alone(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    assert back() == (None, 2)
    for task in (plan.run, drift.run, verify.run):
        assert task("production").headline == "nothing is released to production yet"
    assert apply.run("production").headline == "nothing is released to production yet"
    assert promote.run("staging", "production").headline == "nothing is released to staging yet"


def test_without_a_release_there_is_nothing_to_do_where_nothing_was_synced_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(git_server, "BARE", tmp_path / "none.git")
    assert rollback.run("production").headline == "nothing is released to production yet"
    assert promote.run("staging", "production").headline == "nothing is released to staging yet"


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


def promoted(clone: Path, name: str) -> tuple[str | None, str | None]:
    """Promotes staging as on one machine; returns the digest and the revision that Git then names."""
    promote.run("staging", name)
    content = releases.at(desired(clone).tip(), name, root=clone)
    return content["image"]["digest"], content.get("revision")


@pytest.fixture
def production(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone with a production that runs promoted revisions, and a qa that follows main."""
    run(clone, "checkout", "-q", "--detach", "origin/main")
    for name, line in (("production", "revision: null # of chart and HCL\n"), ("qa", "")):
        file = clone / "environments" / f"{name}.yaml"
        text = TEXT.replace("staging", name).replace("replica", f"{line}replica")
        file.write_text(f"{text}{REST}", encoding="utf-8")
    run(clone, "add", ".")
    run(clone, "commit", "-q", "-m", "Add production and qa")
    run(clone, "push", "-q", "origin", "HEAD:main")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(kubernetes, "desired", lambda: desired(clone))
    monkeypatch.setattr(git_server, "BARE", clone.parent / "github.git")
    monkeypatch.setattr(kubernetes, "released", lambda *_: "")
    monkeypatch.setattr(registry, "require_local", lambda _: None)
    monkeypatch.setattr(environments, "load", lambda name: environments.read(file_of(name)))

    def file_of(name: str) -> Path:
        return clone / "environments" / f"{name}.yaml"

    file_of("staging").write_text(
        f"{TEXT}{REST}",
        encoding="utf-8",
    )
    return clone


def test_a_promotion_takes_the_revision_of_chart_and_terraform_along(production: Path) -> None:
    first = merge(production, "infra/chart-one")
    publish(production, OLD, first)
    assert promoted(production, "production") == (OLD, first)
    (release,) = releases.history(desired(production).tip(), "production", root=production)[:1]
    assert release.source == first
    second = merge(production, "infra/chart-two")
    publish(production, NEW, second)
    assert promoted(production, "qa") == (NEW, None)
    assert promoted(production, "production") == (NEW, second)
    tip = merge(production, "documentation")
    assert promoted(production, "production") == (NEW, second)
    assert desired(production).tip() == tip


def test_a_change_of_the_chart_alone_is_promoted(production: Path) -> None:
    first = merge(production, "infra/chart-one")
    publish(production, NEW, first)
    assert promoted(production, "production") == (NEW, first)
    publish(production, OLD, merge(production, "infra/chart-two"))
    third = merge(production, "infra/chart-three")
    publish(production, NEW, third)
    assert promoted(production, "production") == (NEW, third)


def test_a_rollback_takes_image_and_revision_back(production: Path) -> None:
    first = merge(production, "infra/chart-one")
    publish(production, OLD, first)
    promoted(production, "production")
    publish(production, NEW, merge(production, "infra/chart-two"))
    promoted(production, "production")
    rollback.run("production")
    content = releases.at(desired(production).tip(), "production", root=production)
    assert (content["image"]["digest"], content["revision"]) == (OLD, first)


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


def test_a_proposal_is_a_branch_that_starts_the_checks(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = merge(clone, "one")
    for _ in range(2):
        releases.propose(
            desired(clone), "staging", to_new(TEXT), branch="promote/x", tip=tip, message="Go\n"
        )
    run(clone, "fetch", "-q", "origin", "promote/x")
    assert run(clone, "diff", "--name-only", tip, "FETCH_HEAD") == "environments/staging.yaml"
    assert run(clone, "rev-list", "--count", f"{tip}..FETCH_HEAD") == "1"
    assert desired(clone).tip() == tip


@pytest.fixture
def gated(production: Path) -> Path:
    """The same, with a production that takes what is verified in staging and has soaked there."""
    return rule(production, "{from: staging, verified: true, soak: 1h}")


def rule(clone: Path, conditions: str) -> Path:
    """Gives production's file on main, and in the work tree, these conditions."""
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--force", "--detach", "origin/main")
    file = clone / "environments" / "production.yaml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith("promotion:"))
    file.write_text(f"{kept}promotion: {conditions}\n", encoding="utf-8")
    run(clone, "commit", "-q", "-am", "Set the conditions")
    run(clone, "push", "-q", "origin", "HEAD:main")
    staging = clone / "environments" / "staging.yaml"
    if "aws:" not in staging.read_text(encoding="utf-8"):
        staging.write_text(f"{staging.read_text(encoding='utf-8')}{REST}", encoding="utf-8")
    return clone


def note(clone: Path, commit: str, *, hours: int = 2) -> None:
    """Notes that a commit was verified some hours ago."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    text = verification(["ecs", "kubernetes"], at)
    set_note(desired(clone), commit, lambda _: text)


def release_to_staging(clone: Path, digest: str, name: str) -> str:
    run(clone, "checkout", "-q", "--", "environments/staging.yaml")
    commit = publish(clone, digest, merge(clone, name))
    assert commit
    staging = clone / "environments" / "staging.yaml"
    staging.write_text(f"{releases.with_digest(TEXT, digest)}{REST}", encoding="utf-8")
    return commit


def refusal(*arguments: str, **options: Any) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        promote.run(*arguments, **options)
    assert "\n" not in f"{caught.value} {caught.value.next_step}"
    return caught.value


def test_a_digest_is_refused_by_name_until_it_is_verified_and_has_soaked(gated: Path) -> None:
    commit = release_to_staging(gated, NEW, "one")
    tip = desired(gated).tip()
    error = refusal("staging", "production")
    assert error.cause == f"production does not get {NEW} from staging: it is not verified"
    assert "./inv promote staging production --explain" in error.next_step
    note(gated, commit, hours=0)
    assert "it soaked 0 of 60 min" in refusal("staging", "production").cause
    assert desired(gated).tip() == tip
    note(gated, commit)
    assert promoted(gated, "production")[0] == NEW


def test_a_digest_that_was_rolled_back_is_promoted_by_name_and_reason_alone(gated: Path) -> None:
    note(gated, release_to_staging(gated, OLD, "one"))
    promoted(gated, "production")
    note(gated, release_to_staging(gated, NEW, "two"))
    promoted(gated, "production")
    rollback.run("production")
    assert "it was rolled back" in refusal("staging", "production").cause
    assert "it was rolled back" in refusal("staging", "production", override="hurry").cause
    assert "it was rolled back" in refusal("staging", "production", digest=NEW).cause
    promote.run("staging", "production", digest=NEW, override="the cause was the database")
    (release,) = releases.commits(desired(gated).tip(), "production", root=gated, limit=1)
    assert (release.digest, release.override) == (NEW, "the cause was the database")


def test_an_earlier_digest_is_promoted_with_the_revision_that_it_ran_with(gated: Path) -> None:
    first = merge(gated, "infra/chart-one")
    commit = publish(gated, OLD, first)
    assert commit
    note(gated, commit)
    release_to_staging(gated, NEW, "infra/chart-two")
    # It ran for no time: the next release followed at once.
    note(gated, commit, hours=2)
    promote.run("staging", "production", digest=OLD)
    content = releases.at(desired(gated).tip(), "production", root=gated)
    assert (content["image"]["digest"], content["revision"]) == (OLD, first)
    assert f"staging never ran {OLDEST}" in refusal("staging", "production", digest=OLDEST).cause


def test_what_each_release_lacks_is_listed_and_nothing_changes(
    gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note(gated, release_to_staging(gated, OLD, "one"))
    release_to_staging(gated, NEW, "two")
    before = run(gated, "ls-remote", "origin")
    headline = promote.run("staging", "production", explain=True).headline
    assert headline == "1 of 2 releases can be promoted to production"
    rows = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"b{12} .* no +it is not verified *", rows[1])
    assert re.fullmatch(r"a{12} .* ecs, kubernetes +1\d\d min +nothing *", rows[2])
    assert run(gated, "ls-remote", "origin") == before


def test_any_clone_lists_them(gated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note(gated, release_to_staging(gated, OLD, "one"))
    other = tmp_path / "other"
    run(tmp_path, "clone", "-q", str(gated.parent / "github.git"), str(other))
    monkeypatch.setattr(git_server, "BARE", tmp_path / "none.git")
    monkeypatch.setattr(promote, "Desired", lambda remote: Desired(remote, root=other))
    headline = promote.run("staging", "production", explain=True).headline
    assert headline == "1 of 1 releases can be promoted to production"


def test_production_takes_releases_of_its_source_alone(gated: Path) -> None:
    error = refusal("qa", "production")
    assert error.cause == (
        "production takes releases of staging alone (environments/production.yaml)"
    )
    assert error.next_step == "./inv promote staging production"


def test_two_notes_at_once_are_both_kept(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (publish(clone, digest, merge(clone, digest[7:9])) for digest in (OLD, NEW))
    assert first
    assert second
    other = clone.parent / "other"
    run(clone.parent, "clone", "-q", str(clone.parent / "github.git"), str(other))
    raced: list[str] = []
    real = git.push

    def racing(commit: str, **settings: Any) -> None:
        if not raced:
            raced.append(commit)
            monkeypatch.setattr(git, "push", real)
            note(other, first)
        real(commit, **settings)

    monkeypatch.setattr(git, "push", racing)
    note(clone, second)
    assert raced
    assert [bool(entry.verified) for entry in commits(clone)] == [True, True, False]


def test_a_note_that_nobody_may_push_is_named(clone: Path) -> None:
    commit = publish(clone, NEW, merge(clone, "one"))
    hook = clone.parent / "github.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with pytest.raises(PipelineError, match="the push was refused"):
        note(clone, str(commit))
    assert [entry.verified for entry in commits(clone)][:1] == [None]


def test_a_verification_is_noted_once_every_engine_has_answered(
    production: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = release_to_staging(production, NEW, "one")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    answers = {"ecs": True, "kubernetes": False}
    asked: list[tuple[str, str | None]] = []

    def verify_on(engine: str) -> Callable[..., web.Reached]:
        def verified(_: environments.Environment, digest: str | None = None) -> web.Reached:
            asked.append((engine, digest))
            if not answers[engine]:
                raise PipelineError(f"{engine} does not answer", next_step="look")
            return "", None

        return verified

    monkeypatch.setattr(ecs, "verify", verify_on("ecs"))
    monkeypatch.setattr(kubernetes, "verify", verify_on("kubernetes"))

    def engines() -> str:
        entry = releases.commits(desired(production).tip(), "staging", root=production)[0]
        assert entry.commit == commit
        return entry.engines

    monkeypatch.setenv("KUBERNETES_ENABLED", "true")
    with pytest.raises(PipelineError, match="kubernetes does not answer"):
        verify.run("staging", record=True)
    assert asked == [("ecs", NEW), ("kubernetes", NEW)]
    assert engines() == ""
    with pytest.raises(PipelineError, match=f"Git names {NEW} for staging, not {OLD}"):
        verify.run("staging", digest=OLD, record=True)
    monkeypatch.setenv("KUBERNETES_ENABLED", "")
    verify.run("staging", digest=NEW, record=True)
    assert engines() == "ecs"
    answers["kubernetes"] = True
    monkeypatch.setenv("KUBERNETES_ENABLED", "true")
    verify.run("staging", record=True)
    assert engines() == "ecs, kubernetes"
    noted = run(production, "ls-remote", "origin", "refs/notes/*")
    verify.run("staging", record=True)
    assert run(production, "ls-remote", "origin", "refs/notes/*") == noted


CLOSED = '{freeze: [{schedule: "* * * * *", duration: 2h, timeZone: Etc/UTC}]}'


def test_a_freeze_holds_up_every_step_forward_and_no_rollback(
    production: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digest, name in ((OLD, "one"), (NEW, "two")):
        release_to_staging(production, digest, name)
        promoted(production, "production")
    rule(production, CLOSED)
    delivered: list[str] = []

    def deliver(environment: environments.Environment, *_: object) -> str:
        delivered.append(environment.name)
        return "delivered"

    monkeypatch.setattr(promotion, "ROOT", production)
    monkeypatch.setattr(environments, "planned", lambda environment: environment)
    for target in (ecs, kubernetes):
        monkeypatch.setattr(target, "deliver", deliver)
    steps: list[Callable[[], object]] = [
        lambda: promote.run("staging", "production"),
        lambda: apply.run("production"),
        lambda: sync.run("production"),
    ]
    for step in steps:
        with pytest.raises(PipelineError, match="production is frozen until "):
            step()
    assert delivered == []
    assert "urgent" in apply.run("production", override="urgent").markdown
    assert "urgent" in sync.run("production", override="urgent").markdown
    rollback.run("production")
    run(production, "fetch", "-q")
    run(production, "checkout", "-q", "--force", "--detach", "origin/main")
    assert apply.run("production").headline == "delivered"
    assert sync.run("production").headline == "delivered"


def test_a_rollback_takes_no_freeze_back_and_no_condition(production: Path) -> None:
    for digest, name in ((OLD, "one"), (NEW, "two")):
        release_to_staging(production, digest, name)
        promoted(production, "production")
    rule(production, CLOSED)
    rollback.run("production")
    content = releases.at(desired(production).tip(), "production", root=production)
    assert content["image"]["digest"] == OLD
    assert content["promotion"] == YAML(typ="safe").load(CLOSED)


@pytest.mark.parametrize("before", ["", "promotion: {soak: 1h}\n", "promotion:\n  soak: 1h\n"])
def test_the_conditions_of_the_present_file_stay(before: str) -> None:
    now = "name: x\npromotion: # why\n  soak: 2h # reason\n  freeze:\n    - {a: b}\nimage: {}\n"
    text = f"name: x\n{before}image: {{digest: null}}\n"
    kept = YAML(typ="safe").load(releases.with_conditions(text, now))
    assert kept == {
        "name": "x",
        "image": {"digest": None},
        "promotion": {"soak": "2h", "freeze": [{"a": "b"}]},
    }
    assert "promotion" not in releases.with_conditions(text, "name: x\n")


def test_a_reason_makes_a_proposal_of_its_own(gated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that is there already is left as it is: its commit would not have the reason."""
    note(gated, release_to_staging(gated, NEW, "one"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("RELEASE_TOKEN", server.APP_TOKEN)
    monkeypatch.setenv("RELEASE_APP", server.APP)
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=False))
    monkeypatch.setattr(registry, "require", lambda *_: None)
    with server.serve("owner/name", server.APP_TOKEN) as (url, store):
        monkeypatch.setenv("GITHUB_API_URL", url)
        first = promote.run("staging", "production").headline
        assert promote.run("staging", "production").headline == first
        second = promote.run("staging", "production", override="urgent").headline
    assert first != second
    plain, urgent = (pull["head"] for pull in store.pulls)
    run(gated, "fetch", "-q")
    for branch, reasons in ((plain, 0), (urgent, 1)):
        name = branch["ref"] if isinstance(branch, dict) else branch
        message = run(gated, "log", "-1", "--format=%B", f"origin/{name}")
        assert message.count("Override: urgent") == reasons
