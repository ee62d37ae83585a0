"""Windows of an Argo CD project in which an environment must not change (`syncWindows` of the kind deny)."""

import re
from datetime import datetime, timedelta
from fnmatch import fnmatch
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.argocd.application import NAMESPACE
from pipeline.kubernetes.cluster import Cluster

KIND = "appprojects.argoproj.io"
SECONDS = {"h": 3600, "m": 60, "s": 1}


def closed_until(cluster: Cluster, application: dict[str, Any]) -> datetime | None:
    """When the last window that is open for an Application ends; None where none is open."""
    project = cluster.get(KIND, application["spec"]["project"], NAMESPACE) or {}
    name = application["metadata"]["name"]
    ends = [
        end(window, datetime.now(ZoneInfo(window.get("timeZone") or "UTC")))
        for window in project.get("spec", {}).get("syncWindows") or []
        if window["kind"] == "deny"
        and any(fnmatch(name, pattern) for pattern in window.get("applications") or [])
    ]
    return max(filter(None, ends), default=None)


def end(window: dict[str, Any], now: datetime) -> datetime | None:
    """When a window that is open now ends; None while it is not open."""
    parts = re.findall(r"(\d+)([hms])", window["duration"])
    span = timedelta(seconds=sum(int(count) * SECONDS[unit] for count, unit in parts))
    now = now.replace(second=0, microsecond=0)
    for minutes in range(int(span.total_seconds()) // 60):
        begin = now - timedelta(minutes=minutes)
        if _begins(window["schedule"], begin):
            return begin + span
    return None


def _begins(schedule: str, moment: datetime) -> bool:
    """Whether a schedule of cron (numbers, lists, ranges, steps) names a minute."""
    minute, hour, day, month, weekday = schedule.split()
    on_day, on_weekday = _names(day, moment.day), _names(weekday, moment.isoweekday() % 7)
    # cron's own rule: a day counts by either where both are limited.
    limited = not day.startswith("*") and not weekday.startswith("*")
    return (
        _names(minute, moment.minute)
        and _names(hour, moment.hour)
        and _names(month, moment.month)
        and (on_day or on_weekday if limited else on_day and on_weekday)
    )


def _names(field: str, value: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first = 0 if low == "*" else int(low)
        last = int(high) if high else 59 if low == "*" or step else first
        if first <= value <= last and (value - first) % int(step or 1) == 0:
            return True
    return False
