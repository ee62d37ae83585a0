"""Alarms in the Query protocol with the settings that ministack keeps, but shows in the other protocols alone."""

from typing import Any
from xml.sax.saxutils import escape

from localaws import emulator
from localaws.emulator import cloudwatch

_SETTINGS = ("AlarmDescription", "ExtendedStatistic", "Period", "TreatMissingData", "Unit")
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def install() -> None:
    """Extends ministack's CloudWatch."""
    emulator.wrap(cloudwatch, "_describe_alarms", _describe)


def _describe(original: Any, *request: Any) -> Any:
    """Any request: its parameters, its decoded body, and whether that is CBOR or JSON."""
    status, headers, body = original(*request)
    if any(request[2:]):
        return status, headers, body
    text = body.decode()
    for name, alarm in cloudwatch._alarms.items():
        mark = f"<AlarmName>{name}</AlarmName>"
        text = text.replace(mark, mark + _xml(alarm))
    return status, headers, text.encode()


def _xml(alarm: dict[str, Any]) -> str:
    settings = {name: alarm[name] for name in _SETTINGS if alarm.get(name)}
    settings["ActionsEnabled"] = str(alarm["ActionsEnabled"]).lower()
    if not alarm.get("ExtendedStatistic"):
        settings["Statistic"] = alarm["Statistic"]
    lists = {name: [escape(arn) for arn in alarm[name]] for name in _ACTIONS}
    lists["Dimensions"] = [
        f"<Name>{escape(each['Name'])}</Name><Value>{escape(each['Value'])}</Value>"
        for each in alarm["Dimensions"]
    ]
    shown = [f"<{name}>{escape(str(value))}</{name}>" for name, value in settings.items()]
    for name, values in lists.items():
        members = "".join(f"<member>{value}</member>" for value in values)
        shown.append(f"<{name}>{members}</{name}>")
    return "".join(shown)
