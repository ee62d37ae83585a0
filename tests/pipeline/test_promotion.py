"""Which release may be promoted, by the notes and the rollbacks that Git has of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import PipelineError
from pipeline.releases import environments, promotion
from pipeline.releases.desired import FAILED, verification
from pipeline.releases.environments import Environment
from pipeline.releases.history import Release

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD, NEW = "old", "new"
CONDITIONS = {"from": "staging", "verified": True, "soak": "1h"}
NEVER_OPEN = {"schedule": "* * * * *", "duration": "2h", "timeZone": "Etc/UTC"}
VERIFIED = verification(["ecs", "kubernetes"], NOON)


def commit(digest: str, at: datetime = NOON, **fields: Any) -> Release:
    """A commit of staging's file, named by its digest and the hour."""
    content = fields.pop("content", {"image": {"digest": digest}})
    name = fields.pop("name", f"{digest}-{at:%H%M}")
    return Release(name, "", content, f"Release {digest}", at, **fields)


def lacks(
    source: list[Release], target: list[Release] | None = None, *, now: datetime = NOON + HOUR
) -> dict[str, list[str]]:
    found = promotion.candidates(source, target or [], CONDITIONS, now)
    return {digest: list(candidate.lacks) for digest, candidate in found.items()}


def test_a_release_without_a_note_is_not_verified() -> None:
    assert lacks([commit(NEW)]) == {NEW: ["it is not verified"]}
    assert lacks([commit(NEW, note="verified by me")]) == {NEW: ["it is not verified"]}


def test_a_verified_release_soaks_from_then_on() -> None:
    release = [commit(NEW, NOON - HOUR, note=VERIFIED)]
    assert lacks(release, now=NOON + HOUR) == {NEW: []}
    assert lacks(release, now=NOON + HOUR - timedelta(seconds=1)) == {
        NEW: ["it soaked 59 of 60 min"]
    }


def test_a_release_soaks_until_the_next_one_follows() -> None:
    releases = [
        commit(NEW, NOON + HOUR / 2),
        commit(OLD, NOON - HOUR, note=VERIFIED),
    ]
    later = NOON + 99 * HOUR
    assert lacks(releases, now=later)[OLD] == ["it soaked 30 of 60 min"]
    # A change of the settings alone is no other release.
    settings = [commit(OLD, NOON + HOUR / 2, content={"image": {"digest": OLD}, "replicaCount": 3})]
    assert lacks([*settings, *releases[1:]], now=later)[OLD] == []


def test_the_release_of_a_digest_that_lacks_least_counts() -> None:
    """An environment that went back is not verified again; the digest ran and was verified before."""
    releases = [
        commit(OLD, NOON + 3 * HOUR, reverts=["new-1500"]),
        commit(NEW, NOON + 3 * HOUR, name="new-1500"),
        commit(OLD, NOON - HOUR, note=VERIFIED),
    ]
    assert lacks(releases, now=NOON + 4 * HOUR) == {
        OLD: [],
        NEW: ["it is not verified", "it was rolled back"],
    }


@pytest.mark.parametrize("where", ["source", "target"])
def test_a_digest_that_was_rolled_back_is_known_bad(where: str) -> None:
    rolled = [
        commit(OLD, NOON + HOUR, reverts=["new-1200"]),
        commit(NEW, NOON),
        commit(OLD, NOON - 2 * HOUR),
    ]
    verified = [commit(NEW, NOON - HOUR, note=VERIFIED)]
    source, target = (verified + rolled, []) if where == "source" else (verified, rolled)
    assert lacks(source, target)[NEW] == ["it was rolled back"]


def test_settings_that_were_rolled_back_leave_the_digest_as_good_as_it_was() -> None:
    target = [commit(NEW, NOON + HOUR, reverts=["new-1200"]), commit(NEW)]
    assert lacks([commit(NEW, NOON - HOUR, note=VERIFIED)], target) == {NEW: []}


def test_what_a_freeze_kept_from_running_is_not_known_bad() -> None:
    """The merge of a promotion in a freeze is refused by apply, and the workflow takes its commit back."""
    frozen = {"image": {"digest": NEW}, "promotion": {"freeze": [NEVER_OPEN]}}
    source = [commit(NEW, NOON - HOUR, note=VERIFIED)]
    back = commit(OLD, NOON + HOUR, reverts=["new-1200"])
    assert lacks(source, [back, commit(NEW, content=frozen)]) == {NEW: []}
    ran = commit(NEW, content=frozen, override="urgent")
    assert lacks(source, [back, ran]) == {NEW: ["it was rolled back"]}


def test_what_failed_on_this_machine_is_named() -> None:
    assert lacks([commit(NEW, note=FAILED)])[NEW] == [
        "it is not verified",
        "it did not become healthy",
    ]


def test_without_conditions_only_a_rollback_counts() -> None:
    found = promotion.candidates([commit(NEW)], [], {}, NOON)
    assert [candidate.lacks for candidate in found.values()] == [[]]


def environment(*windows: dict[str, str]) -> Environment:
    raw = {"promotion": {"freeze": list(windows)}}
    return Environment(
        "production", Path(), "registry.example/app", NEW, None, 2, smoke=False, raw=raw
    )


def test_a_freeze_is_named_with_its_end() -> None:
    weekend = {"schedule": "0 16 * * 5", "duration": "62h", "timeZone": "Etc/UTC"}
    friday = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
    frozen = environment(weekend)
    assert promotion.require_open(frozen, NOON, override="") == ""
    assert "urgent" in promotion.require_open(frozen, friday, override="urgent")
    with pytest.raises(PipelineError) as refused:
        promotion.require_open(frozen, friday, override="")
    assert str(refused.value).startswith(
        "production is frozen until Monday 30 November, 06:00 UTC (environments/production.yaml)"
    )
    assert '--override "reason"' in refused.value.next_step


def test_the_conditions_of_production_are_the_careful_ones() -> None:
    conditions = environments.load("production").raw["promotion"]
    assert {key: conditions[key] for key in CONDITIONS} == CONDITIONS
