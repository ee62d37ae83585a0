"""An Application of Argo CD as the API server returns it: what it says of its revision and its operation."""

from datetime import datetime
from typing import Any


def revision(found: dict[str, Any]) -> str:
    """The commit that it was compared with last; empty before the first time."""
    return str(found.get("status", {}).get("sync", {}).get("revision", ""))


def operation(found: dict[str, Any]) -> dict[str, Any]:
    """The sync that runs, or ran last; empty before the first one."""
    state: dict[str, Any] = found.get("status", {}).get("operationState") or {}
    return state


def operation_revision(found: dict[str, Any]) -> str:
    """The commit of that sync; empty when there was none."""
    state = operation(found)
    synced = (state.get("syncResult") or {}).get("revision")
    wanted = ((state.get("operation") or {}).get("sync") or {}).get("revision")
    return str(synced or wanted or "")


def is_running(found: dict[str, Any]) -> bool:
    """Whether a sync is under way."""
    return operation(found).get("phase") in ("Running", "Terminating")


def is_of_another(found: dict[str, Any], wanted: str) -> bool:
    """Whether an operation for another revision is under way: it would try again for minutes before ours begins."""
    other = operation_revision(found)
    return operation(found).get("phase") == "Running" and bool(other) and other != wanted


def compared(found: dict[str, Any], since: datetime) -> bool:
    """Whether a comparison that was asked for after ``since`` is over: Argo CD then takes the request away."""
    asked = "argocd.argoproj.io/refresh" in (found["metadata"].get("annotations") or {})
    return not asked and reconciled(found, since)


def reconciled(found: dict[str, Any] | None, since: datetime) -> bool:
    """Whether it was compared at ``since`` or later; not when there is none."""
    at = (found or {}).get("status", {}).get("reconciledAt")
    return at is not None and datetime.fromisoformat(at) >= since
