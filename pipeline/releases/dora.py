"""DORA's four figures of an environment, from its timeline; the bands are those of its report of 2024."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from pipeline.core import console
from pipeline.releases import timeline
from pipeline.releases.timeline import Commit, Entry

DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)
#: Up to which span a band reaches; what is longer is low.
LEAD = {"elite": DAY, "high": WEEK, "medium": MONTH}
RECOVERY = {"elite": timedelta(hours=1), "high": DAY, "medium": WEEK}
#: Between two deployments.
INTERVAL = {"elite": DAY / 2, "high": WEEK, "medium": MONTH}
#: The shares of failed changes of the report's clusters; they are no scale: the high one's is above the medium one's.
FAILURES = "elite 5 %, high 20 %, medium 10 %, low 40 %"


@dataclass(frozen=True)
class Figures:
    """The four figures of a span of days; None where nothing happened that they could be taken from.

    ``lead`` is the median time from a commit on the branch to its being live, ``failed`` the share of releases that did
    not become healthy or were rolled back, ``recovery`` the median time from such a release to the next that lived.
    """

    days: int
    deployments: int
    lead: timedelta | None
    failed: float | None
    recovery: timedelta | None

    @property
    def interval(self) -> timedelta | None:
        """The time between two deployments, on average."""
        return timedelta(days=self.days) / self.deployments if self.deployments else None

    def bands(self) -> dict[str, str]:
        """The band of each figure that is there and has some."""
        spans = {"interval": INTERVAL, "lead": LEAD, "recovery": RECOVERY}
        return {
            name: band(value, limits)
            for name, limits in spans.items()
            if (value := getattr(self, name)) is not None
        }

    def words(self) -> dict[str, str]:
        """The figures for people, each with its band."""
        bands = self.bands()
        told = {
            "deployments": (str(self.deployments), bands.get("interval")),
            "commit to live": (console.span(self.lead), bands.get("lead")),
            "failed": (share(self.failed), None),
            "back to health": (console.span(self.recovery), bands.get("recovery")),
        }
        return {name: f"{text} ({band})" if band else text for name, (text, band) in told.items()}

    def as_json(self) -> dict[str, Any]:
        """Spans in seconds."""
        return {
            "days": self.days,
            "deployments": self.deployments,
            "lead_seconds": seconds(self.lead),
            "failed_share": self.failed,
            "recovery_seconds": seconds(self.recovery),
            "bands": self.bands(),
        }


@dataclass(frozen=True)
class Week:
    """The figures of one week, by its Monday."""

    monday: date
    deployments: int
    failed: int
    lead: timedelta | None


def figures(
    entries: Sequence[Entry], branch: Mapping[str, Commit], now: datetime, days: int
) -> Figures:
    """The figures of the last ``days``."""
    since = now - timedelta(days=days)
    releases = [each for each in entries if each.kind == "release" and each.at >= since]
    leads = [lead for entry, lead in _leads(entries, branch) if entry.at >= since]
    recoveries = [span for entry, span in _recoveries(entries) if entry.at >= since]
    failed = sum(each.failed for each in releases)
    return Figures(
        days,
        len(releases),
        _median(leads),
        failed / len(releases) if releases else None,
        _median(recoveries),
    )


def weeks(entries: Sequence[Entry], branch: Mapping[str, Commit], now: datetime) -> list[Week]:
    """Every week from the first release to now, the oldest first."""
    releases = [each for each in entries if each.kind == "release"]
    if not releases:
        return []
    leads: dict[date, list[timedelta]] = {}
    for entry, lead in _leads(entries, branch):
        leads.setdefault(_monday(entry.at), []).append(lead)
    counted: dict[date, list[Entry]] = {}
    for entry in releases:
        counted.setdefault(_monday(entry.at), []).append(entry)
    found, monday = [], _monday(releases[-1].at)
    while monday <= _monday(now):
        made = counted.get(monday, [])
        failed = sum(each.failed for each in made)
        found.append(Week(monday, len(made), failed, _median(leads.get(monday, []))))
        monday += WEEK
    return found


def band(value: timedelta, limits: Mapping[str, timedelta]) -> str:
    """The first band that reaches so far."""
    return next((name for name, limit in limits.items() if value <= limit), "low")


def share(value: float | None) -> str:
    """A share in whole percent; ``-`` for none."""
    return "-" if value is None else f"{value:.0%}"


def seconds(span: timedelta | None) -> float | None:
    return span.total_seconds() if span is not None else None


def _leads(entries: Sequence[Entry], branch: Mapping[str, Commit]) -> list[tuple[Entry, timedelta]]:
    return [
        (entry, entry.live - commit.at)
        for entry, brought in timeline.changes(entries, branch)
        for commit in brought
    ]


def _recoveries(entries: Sequence[Entry]) -> list[tuple[Entry, timedelta]]:
    """Each failed release with the time until something that lived was there."""
    found, failed = [], None
    for entry in reversed(entries):
        if entry.kind == "release" and entry.failed:
            failed = failed or entry
        elif failed and entry.kind != "settings":
            found.append((failed, entry.live - failed.at))
            failed = None
    return found


def _median(spans: Sequence[timedelta]) -> timedelta | None:
    return timedelta(seconds=median(span.total_seconds() for span in spans)) if spans else None


def _monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())
