"""ministack's load balancers as the data plane reads them, and DescribeTargetHealth with the real states."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localaws import emulator
from localaws.elb.health import Check
from localaws.elb.targets import Target, Tracker
from localaws.emulator import alb

DEFAULT_DELAY = 300.0
DEFAULT_IDLE_TIMEOUT = 60.0


@dataclass(frozen=True)
class Listener:
    """A listener that takes a request, with what the data plane needs of its load balancer."""

    record: dict[str, Any]
    balancer: dict[str, Any]
    account: str
    region: str
    idle_timeout: float


def check_of(group: str) -> Check | None:
    """The health check of a target group, or None when the group is gone."""
    account, region = scope(group)
    record = alb._tgs.get_scoped(account, region, group)
    if record is None:
        return None
    port = str(record.get("HealthCheckPort", "traffic-port"))
    return Check(
        path=record["HealthCheckPath"],
        matcher=record["Matcher"]["HttpCode"],
        interval=float(record["HealthCheckIntervalSeconds"]),
        timeout=float(record["HealthCheckTimeoutSeconds"]),
        healthy_threshold=record["HealthyThresholdCount"],
        unhealthy_threshold=record["UnhealthyThresholdCount"],
        port=int(port) if port.isdigit() else None,
        scheme=record.get("HealthCheckProtocol", "HTTP").lower(),
        enabled=record.get("HealthCheckEnabled", True),
    )


def deregistration_delay(group: str) -> float:
    """Seconds that a target of the group drains."""
    return float(
        _attribute("_tg_attrs", group, "deregistration_delay.timeout_seconds", DEFAULT_DELAY)
    )


def algorithm(group: str) -> str:
    """How the group spreads requests: ``round_robin`` or ``least_outstanding_requests``."""
    return str(_attribute("_tg_attrs", group, "load_balancing.algorithm.type", "round_robin"))


def registrations() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Every target group of HTTP targets, with the address and port of each registered target."""
    for (_account, _region, group), record in alb._tgs.all_items():
        if record.get("TargetType", "instance") != "lambda":
            yield group, _registered(group, record)


def attached() -> Iterator[tuple[str, str]]:
    """The ARNs of each load balancer and of a target group that it has."""
    for (_account, _region, group), record in alb._tgs.all_items():
        for arn in record.get("LoadBalancerArns", []):
            yield arn, group


def listener(host: str, port: int) -> Listener | None:
    """The listener on a port of the load balancer that the Host header names, else of the oldest one that has it."""
    name = host.partition(":")[0].lower()
    candidates: list[Listener] = []
    for (account, region, _arn), record in alb._listeners.all_items():
        if int(record.get("Port", 80)) != port:
            continue
        balancer = alb._lbs.get_scoped(account, region, record["LoadBalancerArn"])
        if balancer is None:
            continue
        timeout = _attribute(
            "_lb_attrs",
            balancer["LoadBalancerArn"],
            "idle_timeout.timeout_seconds",
            DEFAULT_IDLE_TIMEOUT,
        )
        candidate = Listener(record, balancer, account, region, float(timeout))
        if name in (balancer["DNSName"].lower(), f"{balancer['LoadBalancerName']}.alb.localhost"):
            return candidate
        candidates.append(candidate)
    return min(candidates, key=lambda other: str(other.balancer["CreatedTime"]), default=None)


def actions(
    chosen: Listener, method: str, path: str, headers: dict[str, str], query: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """The actions of the first rule that matches, in the order of the rules' priorities."""
    arn = chosen.record["ListenerArn"]
    rules = [rule for rule in list(alb._rules._data.values()) if rule.get("ListenerArn") == arn]
    for rule in sorted(rules, key=alb._rule_sort_key):
        if rule.get("IsDefault") or all(
            alb._match_condition(condition, method, path, headers, query)
            for condition in rule.get("Conditions", [])
        ):
            return list(rule.get("Actions") or chosen.record.get("DefaultActions", []))
    return list(chosen.record.get("DefaultActions", []))


def install(tracker: Tracker) -> None:
    """Lets ministack's target registrations and DescribeTargetHealth go through the tracker."""

    def sync(group: str) -> None:
        account, region = scope(group)
        record = alb._tgs.get_scoped(account, region, group)
        tracker.sync(
            group,
            _registered(group, record) if record else [],
            deregistration_delay(group) if record else 0,
        )

    def publish(original: Any, group: str, *args: Any, **kwargs: Any) -> Any:
        published = original(group, *args, **kwargs)
        sync(group)
        return published

    def change(original: Any, params: Any) -> Any:
        response = original(params)
        sync(alb._p(params, "TargetGroupArn"))
        return response

    emulator.wrap(alb, "set_targets_for_group", publish)
    emulator.wrap(alb, "_register_targets", change)
    emulator.wrap(alb, "_deregister_targets", change)
    emulator.wrap(alb, "_delete_tg", change)

    def describe(original: Any, params: Any) -> Any:
        group = alb._p(params, "TargetGroupArn")
        if group not in alb._tgs or alb._tgs[group].get("TargetType") == "lambda":
            return original(params)
        wanted = {target["Id"] for target in alb._parse_targets_param(params)}
        members = "".join(
            _health_xml(tracker, target)
            for target, _ in tracker.describe(group)
            if not wanted or target.address in wanted
        )
        return alb._xml(
            200,
            "DescribeTargetHealth",
            f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>",
        )

    emulator.wrap(alb, "_describe_target_health", describe)


def _health_xml(tracker: Tracker, target: Target) -> str:
    health = tracker.health(target)
    check = check_of(target.group)
    if health is None or check is None:
        return ""
    why = {"Reason": health.reason, "Description": health.description} if health.reason else {}
    described = {
        "Target": {"Id": target.address, "Port": target.port},
        "HealthCheckPort": check.port or target.port,
        "TargetHealth": {"State": health.state, **why},
    }
    return emulator.xml([described])


def _registered(group: str, record: dict[str, Any]) -> list[tuple[str, int]]:
    account, _region = scope(group)
    targets = alb._targets._data.get((account, group), [])
    return [(target["Id"], int(target.get("Port") or record["Port"])) for target in targets]


def _attribute(store: str, arn: str, key: str, default: Any) -> Any:
    account, _region = scope(arn)
    attributes = getattr(alb, store)._data.get((account, arn), [])
    return {item["Key"]: item["Value"] for item in attributes}.get(key, default)


def scope(arn: str) -> tuple[str, str]:
    """Account and region of an ARN."""
    parts = arn.split(":")
    return (parts[4], parts[3]) if len(parts) > 5 else ("", "")  # noqa: PLR2004 - fields of an ARN
