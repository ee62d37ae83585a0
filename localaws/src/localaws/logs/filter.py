"""FilterLogEvents by the prefix of stream names, which ministack ignores."""

from typing import Any

from localaws import emulator
from localaws.emulator import cloudwatch_logs


def install() -> None:
    """Extends ministack's CloudWatch Logs."""
    emulator.wrap(cloudwatch_logs, "_filter_log_events", _filter)


def _filter(original: Any, data: Any) -> Any:
    prefix = data.get("logStreamNamePrefix")
    if not prefix:
        return original(data)
    group = cloudwatch_logs._log_groups.get(cloudwatch_logs._resolve_log_group_name(data))
    if group is None:
        return original(data)
    # A name that no stream has stands for "none": an empty list would mean "all".
    names = [name for name in group["streams"] if name.startswith(prefix)] or [f"{prefix}\0"]
    return original(data | {"logStreamNames": names})
