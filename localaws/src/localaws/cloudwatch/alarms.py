"""Alarms by metric math, which ministack lacks; in the Query protocol also the settings that it does not show."""

from typing import Any

from localaws import emulator
from localaws.cloudwatch import evaluation
from localaws.emulator import cloudwatch

_SETTINGS = ("AlarmDescription", "ExtendedStatistic", "Period", "TreatMissingData", "Unit")
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
#: What an alarm has that watches one metric alone.
_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit")
OK = 200


def install() -> None:
    emulator.wrap(cloudwatch, "_describe_alarms", _describe)
    emulator.wrap(cloudwatch, "_put_metric_alarm", _put)
    emulator.replace(cloudwatch, "_evaluate_alarm", evaluation.evaluate)


def _put(original: Any, params: Any, decoded: Any, *protocol: bool) -> Any:
    metrics = decoded.get("Metrics") or _members(params).get("Metrics")
    name = decoded.get("AlarmName") or cloudwatch._p(params, "AlarmName")
    for expression in [each["Expression"] for each in metrics or () if each.get("Expression")]:
        try:
            evaluation.compute(expression, lambda _name: 1.0)
        except ValueError as error:
            use_cbor, use_json = (*protocol, False)[:2]
            return cloudwatch._error("ValidationError", str(error), 400, use_json, use_cbor)
    response = original(params, decoded, *protocol)
    if metrics and response[0] == OK:
        alarm = cloudwatch._alarms[name]
        for key in _ONE_METRIC:
            alarm.pop(key, None)
        alarm["Metrics"] = metrics
        evaluation.evaluate(alarm)
    return response


def _members(params: Any) -> dict[str, Any]:
    """The members of a Query request as a document."""
    tree: dict[str, Any] = {}
    for key in params:
        *path, last = key.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        text = cloudwatch._p(params, key)
        at[last] = text == "true" if last == "ReturnData" else text
    return {key: _lists(value) for key, value in tree.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "member" in value:
        return [_lists(value["member"][key]) for key in sorted(value["member"], key=int)]
    return {key: _lists(each) for key, each in value.items()}


def _describe(original: Any, *request: Any) -> Any:
    """Any request: its parameters, its decoded body, and whether that is CBOR or JSON."""
    status, headers, body = original(*request)
    if any(request[2:]):
        return status, headers, body
    text = body.decode()
    for name, alarm in cloudwatch._alarms.items():
        mark = f"<AlarmName>{name}</AlarmName>"
        text = text.replace(mark, mark + _shown(alarm))
    return status, headers, text.encode()


def _shown(alarm: dict[str, Any]) -> str:
    settings = {name: alarm[name] for name in _SETTINGS if alarm.get(name)}
    if not alarm.get("ExtendedStatistic") and "Statistic" in alarm:
        settings["Statistic"] = alarm["Statistic"]
    lists = {name: alarm[name] for name in (*_ACTIONS, "Dimensions", "Metrics") if name in alarm}
    return emulator.xml(settings | {"ActionsEnabled": alarm["ActionsEnabled"]} | lists)
