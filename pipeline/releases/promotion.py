"""Which releases may be promoted (``promotion`` of an environment's file), by what Git has of both environments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.releases import freeze, history
from pipeline.releases.environments import Environment
from pipeline.releases.history import Release


@dataclass(frozen=True)
class Candidate:
    """A digest that an environment had: the commit that released it, how long it ran verified, what it lacks."""

    release: Release
    soaked: timedelta | None
    lacks: Sequence[str]


def candidates(
    source: Sequence[Release],
    target: Sequence[Release],
    conditions: Mapping[str, Any],
    now: datetime,
) -> dict[str, Candidate]:
    """By digest, the newest first; of several releases of one digest that which lacks least.

    Args:
        source: The commits of the file whose releases they are, newest first.
        target: Those of the file that is to get one of them.
        conditions: ``promotion`` of the target's file.
        now: When a release that nothing has followed yet has soaked until.
    """
    left = _rolled_back(source) | _rolled_back(target)
    best: dict[str, Candidate] = {}
    until = now
    for release in history.setting(source):
        soaked = until - release.verified if release.verified else None
        until = release.committed
        if release.digest is None:
            continue
        candidate = Candidate(release, soaked, _lacks(release, soaked, conditions, left))
        if (former := best.get(release.digest)) and len(former.lacks) <= len(candidate.lacks):
            continue
        best[release.digest] = candidate
    return best


def require_open(environment: Environment, now: datetime, *, override: str, at: str = "") -> str:
    """The report of a change in a freeze, empty outside of one.

    Raises PipelineError for a change without ``override``, unless ``at`` that revision the newest commit of the
    environment's file made it run this digest by a rollback, or in spite of the freeze.
    """
    until = freeze.end(environment.raw, now)
    if until is None:
        return ""
    if override:
        return f"### Frozen\n\n`{environment.name}` changes in its freeze: {override}\n"
    for release in history.commits(at, environment.name, root=ROOT, limit=1) if at else ():
        if release.digest == environment.digest and (release.reverts or release.override):
            return f"### Frozen\n\n`{environment.name}` changes in its freeze: {release.subject}\n"
    raise PipelineError(
        f"{environment.name} is frozen until {until:%A %d %B, %H:%M %Z} ({history.path(environment.name)})",
        next_step='run this again then; a rollback passes, and so does --override "reason"',
    )


def minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


def _rolled_back(commits: Sequence[Release]) -> set[str | None]:
    """The digests that a rollback left for another; one that a freeze had kept from running does not count."""
    by_id = {release.commit: release for release in commits}
    return {
        left.digest
        for release in commits
        for left in filter(None, map(by_id.get, release.reverts))
        if left.digest != release.digest
        and (left.override or not freeze.end(left.content, left.committed))
    }


def _lacks(
    release: Release,
    soaked: timedelta | None,
    conditions: Mapping[str, Any],
    left: set[str | None],
) -> list[str]:
    soak = freeze.span(conditions.get("soak") or "")
    lacks = []
    if soaked is None and (conditions.get("verified") or soak):
        lacks.append("it is not verified")
    elif soaked is not None and soaked < soak:
        lacks.append(f"it soaked {minutes(soaked)} of {minutes(soak)} min")
    if release.failed:
        lacks.append("it did not become healthy")
    if release.digest in left:
        lacks.append("it was rolled back")
    return lacks
