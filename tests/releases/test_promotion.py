"""What may be promoted, what it takes along, and who refuses in a freeze."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localgithub import server
from pipeline.argocd import git_server
from pipeline.attestations import admission
from pipeline.aws import account
from pipeline.commands import apply, promote, rollback, sync
from pipeline.core.errors import PipelineError
from pipeline.releases import environments, promotion
from pipeline.releases import history as releases
from pipeline.releases.desired import Desired
from pipeline.targets import ecs, kubernetes
from tests.releases.repository import (
    NEW,
    OLD,
    OLDEST,
    desired,
    merge,
    note,
    promoted,
    publish,
    release_to_staging,
    rule,
    run,
)

CLOSED = '{freeze: [{schedule: "* * * * *", duration: 2h, timeZone: Etc/UTC}]}'


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


def test_what_is_not_signed_is_listed_as_well(
    gated: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    note(gated, release_to_staging(gated, OLD, "one"))
    monkeypatch.setattr(admission, "lacks_here", lambda *_: ["it is not signed"])
    headline = promote.run("staging", "production", explain=True).headline
    assert headline == "0 of 1 releases can be promoted to production"
    assert capsys.readouterr().out.splitlines()[1].rstrip().endswith("it is not signed")


def test_any_clone_lists_them(gated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note(gated, release_to_staging(gated, OLD, "one"))
    other = tmp_path / "other"
    run(tmp_path, "clone", "-q", str(gated.parent / "github.git"), str(other))
    monkeypatch.setattr(git_server, "BARE", tmp_path / "none.git")
    monkeypatch.setattr(git_server, "Desired", lambda remote: Desired(remote, root=other))
    headline = promote.run("staging", "production", explain=True).headline
    assert headline == "1 of 1 releases can be promoted to production"


def test_production_takes_releases_of_its_source_alone(gated: Path) -> None:
    error = refusal("qa", "production")
    assert error.cause == (
        "production takes releases of staging alone (environments/production.yaml)"
    )
    assert error.next_step == "./inv promote staging production"


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


def test_a_reason_makes_a_proposal_of_its_own(gated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that is there already is left as it is: its commit would not have the reason."""
    note(gated, release_to_staging(gated, NEW, "one"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("RELEASE_TOKEN", server.APP_TOKEN)
    monkeypatch.setenv("RELEASE_APP", server.APP)
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=False))
    monkeypatch.setattr(admission, "require_here", lambda *_: None)
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
