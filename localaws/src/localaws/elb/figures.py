"""CloudWatch's metrics of the load balancers: each minute's requests, answers, response times and healthy targets.
Follows https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

import threading
import time
from collections import Counter, defaultdict

from localaws.elb import balancer
from localaws.elb.health import State
from localaws.elb.targets import Tracker
from localaws.emulator import cloudwatch, responses

NAMESPACE = "AWS/ApplicationELB"
MINUTE = 60
#: Seconds that figures are kept; AWS keeps those of a minute for 15 days.
KEPT = 3600
#: The load balancer's answer where it has no target to choose, which is not counted as a request.
NO_TARGET = 503

#: By minute and by balancer and target group: how often which status was answered after how many seconds.
Seen = defaultdict[tuple[str, str], Counter[tuple[int, float]]]
_seen: defaultdict[int, Seen] = defaultdict(lambda: defaultdict(Counter))
_lock = threading.Lock()


def note(arn: str, group: str, status: int, seconds: float | None) -> None:
    """Counts an answer: a target's with the seconds until its headers, or the load balancer's own without."""
    key = (status, -1.0 if seconds is None else round(seconds, 3))
    with _lock:
        _seen[int(time.time()) // MINUTE][arn, group][key] += 1


def publish(now: float, tracker: Tracker) -> None:
    """Gives the minutes that are over to CloudWatch, as a load balancer does once a minute, and the targets of now."""
    with _lock:
        over = {minute: _seen.pop(minute) for minute in list(_seen) if minute < int(now) // MINUTE}
    for minute, seen in over.items():
        for (arn, group), counts in seen.items():
            dimensions = _dimensions(arn, group)
            own = {"LoadBalancer": dimensions["LoadBalancer"]}
            with responses.request_scope(*balancer.scope(arn)):
                for each in (own, dimensions):
                    _store(minute * MINUTE, each, counts)
    last = (int(now) // MINUTE - 1) * MINUTE
    for arn, group in balancer.attached():
        states = [health.state for _, health in tracker.describe(group)]
        with responses.request_scope(*balancer.scope(arn)):
            for name, state in (("Healthy", State.HEALTHY), ("UnHealthy", State.UNHEALTHY)):
                figure = Counter({float(states.count(state)): 1})
                _datum(f"{name}HostCount", last, _dimensions(arn, group), "Count", figure)
    for (*_, key), points in list(cloudwatch._metrics.all_items()):
        if key[0] == NAMESPACE:
            points[:] = [point for point in points if point["Timestamp"] >= now - KEPT]


def _store(at: int, dimensions: dict[str, str], counts: Counter[tuple[int, float]]) -> None:
    numbers: Counter[str] = Counter()
    times: Counter[float] = Counter()
    for (status, seconds), count in counts.items():
        if seconds >= 0:
            numbers["RequestCount"] += count
            numbers[f"HTTPCode_Target_{status // 100}XX_Count"] += count
            times[seconds] += count
            continue
        if status != NO_TARGET:
            numbers["RequestCount"] += count
        if "TargetGroup" not in dimensions:
            numbers[f"HTTPCode_ELB_{status // 100}XX_Count"] += count

    for name, number in numbers.items():
        _datum(name, at, dimensions, "Count", Counter({float(number): 1}))
    if times:
        _datum("TargetResponseTime", at, dimensions, "Seconds", times)


def _dimensions(arn: str, group: str) -> dict[str, str]:
    """Of a load balancer's target group."""
    return {
        "LoadBalancer": arn.partition(":loadbalancer/")[2],
        "TargetGroup": group.rpartition(":")[2],
    }


def _datum(
    name: str, at: int, dimensions: dict[str, str], unit: str, values: Counter[float]
) -> None:
    pairs = list(values), [float(count) for count in values.values()]
    cloudwatch._store_datum(NAMESPACE, name, dimensions, at, unit, None, *pairs, None)
