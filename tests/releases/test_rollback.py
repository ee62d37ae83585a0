"""A rollback is a commit that takes the last change back: the image, or the settings that came without one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.argocd import git_server
from pipeline.aws import account
from pipeline.commands import apply, drift, plan, promote, rollback, verify
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ENVIRONMENTS
from pipeline.github import reports
from pipeline.releases import environments, timeline
from pipeline.releases import history as releases
from pipeline.targets import ecs, kubernetes
from pipeline.targets.state import State
from pipeline.terraform import run as terraform
from pipeline.terraform.roots import Root
from tests.releases.repository import (
    NEW,
    OLD,
    OLDEST,
    commits,
    desired,
    merge,
    promoted,
    publish,
    release_to_staging,
    rule,
    run,
    settle,
)

CLOSED = '{freeze: [{schedule: "* * * * *", duration: 2h, timeZone: Etc/UTC}]}'


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
    monkeypatch.setattr(kubernetes, "desired", lambda *_: desired(clone))
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


def test_what_git_itself_names_is_changed_by_the_workflows_alone(
    production: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's repository is not what it runs by: to change that one would look like a rollback."""
    monkeypatch.undo()
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(git_server, "BARE", production.parent / "github.git")
    monkeypatch.setattr(environments, "ENVIRONMENTS", production / "environments")
    file = production / "environments" / "production.yaml"
    assert "nothing is released" in rollback.run("production").headline
    file.write_text(releases.with_digest(file.read_text("utf-8"), NEW), encoding="utf-8")
    refusal = "by the workflows alone"
    with pytest.raises(PipelineError, match=refusal) as refused:
        rollback.run("production")
    assert "rollback.yml" in refused.value.next_step
    for source, target in (("production", "staging"), ("staging", "production")):
        with pytest.raises(PipelineError, match=refusal):
            promote.run(source, target)


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


def test_a_first_release_that_fails_has_nothing_to_bring_back(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    """Without a commit ``deploy.yml`` plans and applies no way back; a rollback by hand goes on with what there is."""
    assert back() == (None, 2)
    assert rollback.run("staging", failed=True, digest=NEW).outputs == {}
    assert set(rollback.run("staging").outputs) == {"commit"}


def test_without_a_release_there_is_nothing_to_do_where_nothing_was_synced_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(git_server, "BARE", tmp_path / "none.git")
    assert rollback.run("production").headline == "nothing is released to production yet"
    assert promote.run("staging", "production").headline == "nothing is released to staging yet"


def test_a_rollback_takes_image_and_revision_back(production: Path) -> None:
    first = merge(production, "infra/chart-one")
    publish(production, OLD, first)
    promoted(production, "production")
    publish(production, NEW, merge(production, "infra/chart-two"))
    promoted(production, "production")
    rollback.run("production")
    content = releases.at(desired(production).tip(), "production", root=production)
    assert (content["image"]["digest"], content["revision"]) == (OLD, first)


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


@pytest.mark.parametrize(
    "before", ["", "  secret_key_version: 1\n", "  secret_key_version: 3 # was\n"]
)
def test_a_rollback_makes_no_new_signing_key(before: str) -> None:
    """Any other version is a new key, and what the present one and the one before signed would be refused."""
    text = f"image: {{digest: null}} # nothing\naws:\n  region: eu-west-1 # here\n{before}"
    now = "image: {}\naws:\n  region: us-east-1\n  secret_key_version: 2\n"
    kept = releases.with_conditions(text, now)
    assert YAML(typ="safe").load(kept)["aws"] == {"region": "eu-west-1", "secret_key_version": 2}
    assert kept.startswith("image: {digest: null} # nothing\naws:\n  region: eu-west-1 # here\n")


def test_a_rollback_neither_downgrades_nor_shrinks_the_database() -> None:
    text = 'image: {}\naws:\n  database: {engine_version: "15", instance_class: db.t4g.micro}\n'
    now = 'image: {}\naws:\n  database:\n    engine_version: "16"\n    storage_gb: 50\n    max_storage_gb: 500\n'
    kept = releases.with_conditions(text, now)
    assert YAML(typ="safe").load(kept)["aws"]["database"] == {
        "engine_version": "16",
        "instance_class": "db.t4g.micro",
        "storage_gb": 50,
        "max_storage_gb": 500,
    }
    assert '"16"' in kept
    assert releases.with_conditions(now, text.replace("15", "16")).count("storage_gb") == 0


@pytest.mark.parametrize("name", environments.names())
def test_what_goes_one_way_is_the_only_line_that_changes(name: str) -> None:
    text = environments.path(name).read_text(encoding="utf-8")
    now = text.replace("aws:\n", "aws:\n  secret_key_version: 2\n")
    kept = releases.with_conditions(text, now).splitlines()
    assert [line for line in kept if line not in text.splitlines()] == ["  secret_key_version: 2"]
    assert len(kept) == len(text.splitlines()) + 1


def test_a_rollback_after_a_rotation_goes_back_to_the_release_before(
    clone: Path, back: Callable[..., tuple[str | None, int]]
) -> None:
    def merged(old: str, new: str) -> None:
        run(clone, "fetch", "-q")
        run(clone, "checkout", "-q", "--detach", "origin/main")
        file = clone / "environments" / "staging.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        run(clone, "commit", "-q", "-am", new)
        run(clone, "push", "-q", "origin", "HEAD:main")

    merged("replicaCount", "aws: {region: us-east-1}\nreplicaCount")
    for digest, name in ((OLD, "one"), (NEW, "two")):
        publish(clone, digest, merge(clone, name))
    merged("aws: {", "aws: {secret_key_version: 2, ")
    assert back()[0] == OLD
    content = releases.at(desired(clone).tip(), "staging", root=clone)
    assert content["aws"] == {"region": "us-east-1", "secret_key_version": 2}


def test_a_rollback_says_why(
    clone: Path, back: Callable[..., tuple[str | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "failed", lambda: "sync, verify")
    monkeypatch.setattr(rollback, "ROOT", clone)
    for digest, name in ((OLD, "one"), (NEW, "two")):
        publish(clone, digest, merge(clone, name))
    assert back(failed=True, digest=NEW) == (OLD, 2)
    [first, left, *_] = timeline.entries(desired(clone).tip(), "staging", root=clone)
    assert (first.kind, first.reason) == ("rollback", "sync, verify failed")
    assert (left.failed, left.reason) == (True, first.reason)
    back(commits(clone)[1].commit, reason="a person's")
    [again, *_] = timeline.entries(desired(clone).tip(), "staging", root=clone)
    assert again.reason == "a person's"


def test_a_failed_deployment_of_a_condition_takes_no_release_back(
    clone: Path, back: Callable[..., tuple[str | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "ROOT", clone)
    for digest, name in ((OLD, "one"), (NEW, "two")):
        publish(clone, digest, merge(clone, name))
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", "origin/main")
    with (clone / "environments" / "staging.yaml").open("a", encoding="utf-8") as file:
        file.write("admission: {enabled: true}\n")
    run(clone, "commit", "-q", "-am", "Protect")
    run(clone, "push", "-q", "origin", "HEAD:main")
    assert back(failed=True) == (NEW, 2)
    assert len(commits(clone)) == 4
    publish(clone, OLDEST, merge(clone, "three"))
    assert back(failed=True, digest=OLDEST) == (NEW, 2)
    # A person means the release.
    assert back() == (OLD, 2)


def test_a_run_goes_back_once_however_often_it_is_started_again(
    clone: Path, back: Callable[..., tuple[str | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "ROOT", clone)
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    for digest, name in ((OLDEST, "zero"), (OLD, "one"), (NEW, "two")):
        publish(clone, digest, merge(clone, name))
    assert back() == (OLD, 2)
    assert back() == (OLD, 2)
    gone = rollback.run("staging", failed=True, digest=NEW)
    assert gone.outputs["commit"] == gone.outputs["reverted"] == commits(clone)[0].commit
    monkeypatch.setenv("GITHUB_RUN_ID", "71")
    assert back() == (OLDEST, 2)


def test_what_failed_before_its_release_is_not_gone_back_from(
    clone: Path, back: Callable[..., tuple[str | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "ROOT", clone)
    for digest, name in ((OLDEST, "zero"), (OLD, "one")):
        publish(clone, digest, merge(clone, name))
    assert back(failed=True, digest=NEW) == (OLD, 2)
    outputs = rollback.run("staging", failed=True, digest=NEW).outputs
    assert outputs == {"commit": commits(clone)[0].commit, "digest": OLD}
    assert back(failed=True, digest=OLD) == (OLDEST, 2)


def test_a_failed_deployment_takes_back_nothing_that_came_after_it(
    clone: Path, back: Callable[..., tuple[str | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "ROOT", clone)
    publish(clone, OLD, merge(clone, "one"))
    failing = settle(clone, 5)
    settle(clone, 6)
    run(clone, "checkout", "-q", "--detach", failing)
    assert back(failed=True) == (OLD, 6)
    assert rollback.run("staging", failed=True).outputs == {}


def test_a_rollback_does_not_open_the_cluster_to_other_images() -> None:
    now = "name: x\nadmission:\n  enabled: true\npromotion: {soak: 1h}\n"
    before = "name: x\nadmission: {enabled: false}\nreplicaCount: 2\n"
    kept = YAML(typ="safe").load(releases.with_conditions(before, now))
    assert kept == {**YAML(typ="safe").load(now), "replicaCount": 2}


SECTIONS = (
    "",
    "admission: {enabled: true}\n",
    "admission:\n  enabled: true\n\n  others: [b]\n# about what follows\n",
    "admission: # why\n# in column 0\n  others:\n  - a\n  - b\n\n",
)


@pytest.mark.parametrize("now", SECTIONS)
@pytest.mark.parametrize("before", SECTIONS)
@pytest.mark.parametrize("after", ["", "image: {digest: null}\n", "image: x"])
def test_a_section_is_taken_whole_however_it_is_written(now: str, before: str, after: str) -> None:
    """A blank line or a remark does not end it, and a file may end without a line break."""
    yaml = YAML(typ="safe")
    text = f"name: x\n{before}{after}".removesuffix("\n")
    kept = yaml.load(releases.with_conditions(text, f"name: y\n{now}image: {{}}\n"))
    wanted = {**yaml.load(text), **yaml.load(f"name: x\n{now}")}
    if not now:
        wanted.pop("admission", None)
    assert kept == wanted
