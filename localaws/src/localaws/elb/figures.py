"""CloudWatch's metrics of the load balancers: each minute's requests, answers and response times.
Follows https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

import threading
import time
from collections import Counter, defaultdict

from localaws.elb import balancer
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


def publish(now: float) -> None:
    """Gives the minutes that are over to CloudWatch, as a load balancer does once a minute."""
    with _lock:
        over = {minute: _seen.pop(minute) for minute in list(_seen) if minute < int(now) // MINUTE}
    for minute, seen in over.items():
        for (arn, group), counts in seen.items():
            account, region = balancer.scope(arn)
            own = {"LoadBalancer": arn.partition(":loadbalancer/")[2]}
            with responses.request_scope(account, region):
                for dimensions in (own, own | {"TargetGroup": group.rpartition(":")[2]}):
                    _store(minute * MINUTE, dimensions, counts)
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

    def store(name: str, unit: str, values: Counter[float]) -> None:
        pairs = list(values), [float(count) for count in values.values()]
        cloudwatch._store_datum(NAMESPACE, name, dimensions, at, unit, None, *pairs, None)

    for name, number in numbers.items():
        store(name, "Count", Counter({float(number): 1}))
    if times:
        store("TargetResponseTime", "Seconds", times)
