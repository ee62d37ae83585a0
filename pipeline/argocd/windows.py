"""Windows of an Argo CD project in which an environment must not change (`syncWindows` of the kind deny)."""

import re
from datetime import datetime, timedelta
from fnmatch import fnmatch
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pipeline.argocd.application import NAMESPACE
from pipeline.core.errors import PipelineError
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
    """When a window that is open now ends; None while it is not open. Raises PipelineError where it is no cron."""
    parts = re.findall(r"(\d+)([hms])", window["duration"])
    span = timedelta(seconds=sum(int(count) * SECONDS[unit] for count, unit in parts))
    try:
        begins = CronSim(window["schedule"], now + timedelta(minutes=1), reverse=True)
    except CronSimError as error:
        raise PipelineError(
            f"the sync window {window['schedule']!r} is not understood ({error})",
            next_step="write its schedule in five fields, as cron has them",
        ) from error
    last = next(begins, None)
    return last + span if last and now < last + span else None
