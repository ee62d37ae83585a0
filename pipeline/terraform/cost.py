"""The monthly cost in US dollars of what a Terraform plan leads to, by the price table in ``prices.yaml``; a resource
type that is neither priced nor free is listed as unpriced."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import files, markdown
from pipeline.core.errors import PipelineError
from pipeline.terraform import changes

PRICES = Path(__file__).with_name("prices.yaml")
TABLE: dict[str, Any] = files.read_yaml(PRICES)
#: The setting of an environment's file, by which an excess is acknowledged as well.
BUDGET = "aws.budget_usd"
#: The resource types that are priced or free.
COVERED = {entry["type"] for entry in TABLE["lines"]} | set(TABLE["free"])

#: Dollars; what is less is rounding.
CENT = 0.01

Values = Mapping[str, Any]
#: The values of all resources by type.
Inventory = Mapping[str, Sequence[Values]]


@dataclass(frozen=True)
class Line:
    """One line of the bill. ``assumed`` marks what depends on use."""

    item: str
    quantity: str
    monthly: float
    assumed: bool = False


@dataclass(frozen=True)
class Estimate:
    """The bill after a plan; ``change`` is the difference to the one before, None where there was none.

    ``budget`` is what the environment may cost a month, 0 where it has none.
    """

    lines: tuple[Line, ...]
    total: float
    change: float | None
    unpriced: tuple[str, ...]
    region: str
    budget: float = 0


def estimate(document: Mapping[str, Any], region: str = "us-east-1", budget: float = 0) -> Estimate:
    """The cost after and before a plan, from Terraform's JSON of it; prices are those of one region."""
    inventory = _inventory(document.get("planned_values", {}))
    lines = tuple(_bill(inventory))
    total = sum(line.monthly for line in lines)
    prior = _bill(_inventory(document.get("prior_state", {}).get("values", {})))
    before = sum(line.monthly for line in prior)
    unpriced = tuple(sorted(inventory.keys() - COVERED))
    return Estimate(lines, total, total - before if before else None, unpriced, region, budget)


def of_plan(plan: Mapping[str, Any], region: str, settings: Mapping[str, Any]) -> Estimate:
    """The estimate of an environment's plan; ``settings`` are ``aws`` of its file."""
    return estimate(plan, region, float(settings.get("budget_usd") or 0))


def require_within_budget(bill: Estimate, name: str, acknowledged: Collection[str]) -> None:
    """Raises PipelineError for a plan that raises the cost above the budget, unless ``acknowledged`` has ``BUDGET``.

    One that leaves the cost as it is, or lowers it, passes: a fix or a rollback waits for no budget.
    """
    raised = bill.change is None or bill.change >= CENT
    if not bill.budget or bill.total <= bill.budget or not raised or BUDGET in acknowledged:
        return
    raise PipelineError(
        f"{name} would cost {bill.total:.2f} dollars a month, {bill.total - bill.budget:.2f} above its"
        f" budget of {bill.budget:.2f} ({BUDGET})",
        next_step=f"read the bill; if that is meant, raise {BUDGET} in environments/{name}.yaml, or add"
        f" --acknowledge {BUDGET} to the command, or for a workflow the line to infra/terraform/acknowledged.yaml",
    )


def as_text(bill: Estimate) -> str:
    """The estimate as a plain table, with its notes."""
    rows = _rows(bill)
    item, quantity, price = (max(len(row[column]) for row in rows) for column in range(3))
    lines = [f"{row[0]:<{item}}  {row[1]:<{quantity}}  {row[2]:>{price}}{row[3]}" for row in rows]
    return "\n".join([*lines, "", *notes(bill)])


def as_markdown(bill: Estimate) -> str:
    """The estimate as Markdown: the sums in a line, and below it each item, folded, with the notes."""
    change = "" if bill.change is None else f", {bill.change:+.2f} by this plan"
    budget = f", budget {bill.budget:.2f}" if bill.budget else ""
    unpriced = (
        f"; NOT priced: {', '.join(map(markdown.inline, bill.unpriced))}" if bill.unpriced else ""
    )
    lines = [f"**Cost: {bill.total:.2f} US dollars a month{change}{budget}**{unpriced}", ""]
    lines += ["<details><summary>The cost by item</summary>", ""]
    lines += ["| item | quantity | $ a month |", "| --- | --- | ---: |"]
    for item, quantity, price, star in _rows(bill):
        lines.append(f"| {item} | {quantity} | {markdown.inline(price + star)} |")
    # A star that begins a line is a list's.
    return "\n".join([*lines, "", *map(markdown.inline, notes(bill)), "", "</details>"])


def notes(bill: Estimate) -> list[str]:
    """Where the figures come from and what they leave out."""
    lines = [
        f"* by assumed use. List prices of {TABLE['region']} as of {TABLE['date']} (pipeline/terraform/prices.yaml), "
        f"{TABLE['hours_per_month']} hours a month, no free tier."
    ]
    if bill.region != TABLE["region"]:
        lines.append(f"The environment is in {bill.region}, where prices differ.")
    if bill.unpriced:
        lines.append(f"NOT priced: {', '.join(bill.unpriced)}.")
    return lines


def _rows(bill: Estimate) -> list[tuple[str, str, str, str]]:
    """Item, quantity, dollars, and a star where use is assumed."""
    rows = [
        (line.item, line.quantity, f"{line.monthly:.2f}", " *" if line.assumed else "")
        for line in bill.lines
    ]
    rows.append(("total a month, US dollars", "", f"{bill.total:.2f}", ""))
    if bill.change is not None:
        rows.append(("change", "", f"{bill.change:+.2f}", ""))
    if bill.budget:
        rows.append((f"budget ({BUDGET})", "", f"{bill.budget:.2f}", ""))
    return rows


def _inventory(values: Mapping[str, Any]) -> Inventory:
    by_type: dict[str, list[Values]] = defaultdict(list)
    for resource in changes.managed(values):
        by_type[resource["type"]].append(resource.get("values", {}))
    return by_type


def _bill(world: Inventory) -> Iterator[Line]:
    for entry in TABLE["lines"]:
        count = entry.get("count", "each")
        if count in _LINES:
            yield from _LINES[count](world, entry)
            continue
        resources = world.get(entry["type"], ())
        number = _COUNTS[count](world, resources)
        if number:
            amount = number * entry.get("use", 1)
            price = entry["month"] if "month" in entry else _monthly(entry["hour"])
            quantity = f"{amount:g} {entry.get('unit', '')}".strip()
            yield Line(entry["item"], quantity, amount * price, "use" in entry)


def _monthly(hourly: float) -> float:
    return float(hourly * TABLE["hours_per_month"])


def _balancer_addresses(world: Inventory, balancers: Sequence[Values]) -> int:
    groups = world.get("aws_db_subnet_group", ())
    zones = max((len(group.get("subnet_ids") or ()) for group in groups), default=0)
    # A public and a private subnet in each zone.
    return len(balancers) * (zones or len(world.get("aws_subnet", ())) // 2)


def _task_addresses(_: Inventory, services: Sequence[Values]) -> int:
    return sum(
        int(service.get("desired_count") or 0)
        for service in services
        for network in service.get("network_configuration") or ()
        if network.get("assign_public_ip")
    )


def _secrets(world: Inventory, secrets: Sequence[Values]) -> int:
    databases = world.get("aws_db_instance", ())
    return len(secrets) + sum(bool(item.get("manage_master_user_password")) for item in databases)


def _insights(_: Inventory, clusters: Sequence[Values]) -> int:
    return sum(
        setting.get("name") == "containerInsights" and setting.get("value") != "disabled"
        for cluster in clusters
        for setting in cluster.get("setting") or ()
    )


def _interfaces(_: Inventory, endpoints: Sequence[Values]) -> int:
    return sum(item.get("vpc_endpoint_type") == "Interface" for item in endpoints)


def _interface_zones(world: Inventory, endpoints: Sequence[Values]) -> int:
    zones = max((len(item.get("subnet_ids") or ()) for item in endpoints), default=0)
    return _interfaces(world, endpoints) * max(2, zones)


def _alarm_metrics(_: Inventory, alarms: Sequence[Values]) -> int:
    return sum(
        sum(bool(query.get("metric")) for query in alarm.get("metric_query") or ()) or 1
        for alarm in alarms
    )


def _fargate(world: Inventory, entry: Values) -> Iterator[Line]:
    for definition in world.get("aws_ecs_task_definition", ())[:1]:
        cpu, memory = float(definition["cpu"]) / 1024, float(definition["memory"]) / 1024
        each = _monthly(cpu * entry["vcpu_hour"] + memory * entry["gb_hour"])
        for service in world.get("aws_ecs_service", ()):
            count = int(service.get("desired_count") or 0)
            quantity = f"{count} x {cpu:g} vCPU, {memory:g} GB"
            yield Line(entry["item"], quantity, each * count)


def _database(world: Inventory, entry: Values) -> Iterator[Line]:
    for instance in world.get("aws_db_instance", ()):
        name, copies = f"RDS {instance['instance_class']}", 2 if instance.get("multi_az") else 1
        zones = " x 2 zones" if copies > 1 else ""
        hour = entry["hour"].get(instance["instance_class"])
        label = name if hour else f"{name}: price unknown"
        yield Line(label, f"1{zones}", _monthly(hour or 0) * copies, assumed=not hour)
        size = float(instance["allocated_storage"])
        yield Line("RDS storage", f"{size:g} GB{zones}", size * entry["storage_gb"] * copies)


def _firewall(world: Inventory, entry: Values) -> Iterator[Line]:
    for acl in world.get("aws_wafv2_web_acl", ()):
        rules = len(acl.get("rule") or ())
        price = entry["month"] + rules * entry["rule"]
        yield Line(entry["item"], f"1 and {rules} rules", price)


#: The values of `count` in ``prices.yaml``: the number that is billed, and lines of their own.
_COUNTS: Mapping[str, Callable[[Inventory, Sequence[Values]], int]] = {
    "each": lambda _, resources: len(resources),
    "any": lambda _, resources: min(len(resources), 1),
    "interfaces": _interfaces,
    "interface_zones": _interface_zones,
    "balancer_addresses": _balancer_addresses,
    "task_addresses": _task_addresses,
    "secrets": _secrets,
    "insights": _insights,
    "alarm_metrics": _alarm_metrics,
}
_LINES: Mapping[str, Callable[[Inventory, Values], Iterator[Line]]] = {
    "fargate": _fargate,
    "database": _database,
    "firewall": _firewall,
}
