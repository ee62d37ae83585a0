"""Alarms evaluated as CloudWatch does: by whole periods of one metric or expression, M of N, and missing data.
Follows https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import ast
import operator
import time
from collections.abc import Callable
from typing import Any

from localaws import emulator
from localaws.elb import figures
from localaws.elb.targets import Tracker
from localaws.emulator import cloudwatch, responses

#: Seconds between two evaluations: CloudWatch's for alarms with periods of a minute or more.
INTERVAL = 60
_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}


def run(tracker: Tracker) -> None:
    """Publishes the load balancers' figures and evaluates all alarms, at each minute's end, while the process lives."""
    while not emulator.ending.wait(INTERVAL - time.time() % INTERVAL):
        figures.publish(time.time(), tracker)
        for (account, region, _name), alarm in list(cloudwatch._alarms.all_items()):
            with responses.request_scope(account, region):
                evaluate(alarm)


def evaluate(alarm: dict[str, Any]) -> None:
    """Sets the alarm's state by the periods that are over."""
    if alarm["ComparisonOperator"] not in _COMPARISONS:
        return  # an anomaly detection band's
    length, count = period(alarm), int(alarm["EvaluationPeriods"])
    end = int(time.time()) // length * length
    starts = [end - length * number for number in range(count, 0, -1)]
    state, reason = judge(alarm, {start: _value(alarm, start, length) for start in starts})
    if state != (before := alarm["StateValue"]):
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def judge(alarm: dict[str, Any], values: dict[int, float | None]) -> tuple[str, str]:
    """The alarm's state and its reason by the value of each period, None without data, in their order."""
    points = {start: value for start, value in values.items() if value is not None}
    crosses, words = _COMPARISONS[alarm["ComparisonOperator"]]
    limit, enough = alarm["Threshold"], int(alarm.get("DatapointsToAlarm") or len(values))
    treat, missing = alarm.get("TreatMissingData", "missing"), len(values) - len(points)
    breaching = {start: value for start, value in points.items() if crosses(value, limit)}
    if len(breaching) + (missing if treat == "breaching" else 0) >= enough:
        shown = ", ".join(f"{value} ({_stamp(start)})" for start, value in breaching.items())
        return "ALARM", (
            f"Threshold Crossed: {len(breaching)} out of the last {len(values)} datapoints [{shown}] "
            f"{'was' if len(breaching) == 1 else 'were'} {words} the threshold ({limit}) (minimum {enough} "
            f"datapoint{'s' * (enough > 1)} for OK -> ALARM transition)."
        )
    if points or treat in ("notBreaching", "breaching"):
        return "OK", (
            f"Threshold Crossed: {len(breaching)} of {len(points)} datapoints were {words} the threshold ({limit}); "
            f"{missing} missing ones were treated as [{treat}]."
        )
    if treat == "ignore":
        return alarm["StateValue"], alarm.get("StateReason", "")
    return "INSUFFICIENT_DATA", f"Insufficient Data: {missing} datapoints were unknown."


def period(alarm: dict[str, Any]) -> int:
    """Seconds of one of the alarm's periods."""
    stats = (each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each)
    return int(next(stats, alarm)["Period"])


def compute(expression: str, name: Callable[[str], float | None]) -> float | None:
    """The value of a metric math expression, None when it is missing; ValueError beyond + - * / < > IF and FILL."""
    try:
        return _compute(ast.parse(expression, mode="eval").body, name)
    except (SyntaxError, KeyError) as error:
        raise ValueError(f"{expression} is not emulated") from error


def _compute(node: ast.expr, name: Callable[[str], float | None]) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=known):
            return name(known)
        case ast.BinOp(left, kind, right) | ast.Compare(left, [kind], [right]):
            pair = _compute(left, name), _compute(right, name)
            if None in pair or (isinstance(kind, ast.Div) and not pair[1]):
                return None
            return float(_OPERATORS[type(kind)](*pair))  # type: ignore[arg-type]
        case ast.Call(ast.Name("IF"), [condition, then, other]):
            first, second = _compute(then, name), _compute(other, name)
            held = _compute(condition, name)
            return None if held is None else first if held else second
        case ast.Call(ast.Name("FILL"), [metric, value]):
            filled = _compute(metric, name)
            return _compute(value, name) if filled is None else filled
    raise KeyError(ast.dump(node))


def _value(alarm: dict[str, Any], start: int, length: int) -> float | None:
    """The alarm's data point of one period; None when there is none."""
    if not alarm.get("Metrics"):
        return _statistic(
            alarm, alarm.get("ExtendedStatistic") or alarm["Statistic"], start, length
        )
    queries = {each["Id"]: each for each in alarm["Metrics"]}

    def named(identity: str) -> float | None:
        query = queries[identity]
        if "MetricStat" not in query:
            return compute(query["Expression"], named)
        stat = query["MetricStat"]
        return _statistic(stat["Metric"], stat["Stat"], start, int(stat["Period"]))

    returned = [each["Id"] for each in alarm["Metrics"] if each.get("ReturnData", True)]
    return named(returned[0])


def _statistic(metric: dict[str, Any], statistic: str, start: int, length: int) -> float | None:
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    stored = cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []
    points = [point for point in stored if start <= point["Timestamp"] < start + length]
    value = cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)
    return float(value) if points and value is not None else None


def _stamp(start: int) -> str:
    return time.strftime("%d/%m/%y %H:%M:%S", time.gmtime(start))
