"""Hours in which an environment must not change: ``promotion.freeze`` of its file, windows as Argo CD writes them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pipeline.core.errors import PipelineError

SECONDS = {"h": 3600, "m": 60, "s": 1}
SPAN = r"([0-9]{1,4}[hms])+"
#: What both CronSim and Argo CD understand: five fields, names of three letters, Sunday as 0.
FIELD = r"(\*|\d+|[A-Za-z]{3})([-/,](\d+|[A-Za-z]{3}))*"
WINDOW = {
    "schedule": rf"({FIELD} ){{4}}(?!.*7){FIELD}",
    "duration": SPAN,
    "timeZone": r"[A-Za-z]+(/[A-Za-z_+-]+[0-9]*)*",
}


def span(text: str) -> timedelta:
    """A time span such as ``1h30m``."""
    parts = re.findall(r"(\d+)([hms])", text)
    return timedelta(seconds=sum(int(count) * SECONDS[unit] for count, unit in parts))


def given_span(text: str) -> timedelta:
    """As ``span``, of a task's argument; raises PipelineError for what is none."""
    if not re.fullmatch(SPAN, text):
        raise PipelineError(f"{text!r} is no time span", next_step="write it as 10m, 1h30m or 45s")
    return span(text)


def is_window(value: Any) -> bool:
    """Whether it has a schedule, a duration and a zone, and opens some day."""
    if not isinstance(value, dict) or set(value) != set(WINDOW):
        return False
    try:
        if not all(re.fullmatch(WINDOW[key], text) for key, text in value.items()):
            return False
        _end(value, datetime(2000, 1, 1, tzinfo=UTC))
    except (CronSimError, TypeError, ValueError, LookupError, OSError):
        return False
    return bool(span(value["duration"]))


def windows(content: Mapping[str, Any]) -> list[Any]:
    """The windows of an environment file's content."""
    return (content.get("promotion") or {}).get("freeze") or []


def end(content: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the last window that is open now ends, of an environment file's content; None while none is open."""
    # A file of an earlier commit may be one that is refused today.
    ends = (_end(window, now) for window in windows(content) if is_window(window))
    return max(filter(None, ends), default=None)


def _end(window: Mapping[str, str], now: datetime) -> datetime | None:
    # As Argo CD counts: by the zone's clock, without its change between summer and winter.
    zone = ZoneInfo(window["timeZone"])
    clock = now.astimezone(zone).replace(tzinfo=None)
    last = next(CronSim(window["schedule"], clock + timedelta(minutes=1), reverse=True), None)
    until = last + span(window["duration"]) if last else None
    return until.replace(tzinfo=zone) if until and clock < until else None
