"""The monthly cost of what a Terraform plan leads to, line by line, before it is paid.

Prices and assumptions stand in ``prices.yaml``. A resource type that is neither priced nor known to be free is
listed as unpriced: nothing is left out silently. All amounts are US dollars a month.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PRICES = Path(__file__).with_name("prices.yaml")
#: Marks what depends on use.
_STAR = " \\*"


@dataclass(frozen=True)
class Line:
    """One line of the bill. ``assumed`` marks what depends on use."""

    item: str
    quantity: str
    monthly: float
    assumed: bool = False


@dataclass(frozen=True)
class Estimate:
    """The bill after a plan, and before it."""

    lines: tuple[Line, ...]
    before: float
    unpriced: tuple[str, ...]
    region: str

    @property
    def total(self) -> float:
        """Dollars a month once the plan is applied."""
        return sum(line.monthly for line in self.lines)

    @property
    def change(self) -> float:
        """Dollars a month more (or, negative, less) than before the plan."""
        return self.total - self.before


Values = Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """The resources of one state of the world, by type."""

    by_type: Mapping[str, tuple[Values, ...]]

    def all(self, kind: str) -> tuple[Values, ...]:
        """The values of every resource of a type."""
        return self.by_type.get(kind, ())

    def count(self, kind: str) -> int:
        """How many resources there are of a type."""
        return len(self.all(kind))


@cache
def prices() -> dict[str, Any]:
    """The price table."""
    table: dict[str, Any] = YAML(typ="safe").load(PRICES.read_text(encoding="utf-8"))
    return table


def estimate(document: Mapping[str, Any], region: str = "us-east-1") -> Estimate:
    """The cost after and before a plan.

    Args:
        document: Terraform's JSON of the plan (``terraform show -json``).
        region: Where it is applied; prices are those of one region.
    """
    after = _inventory(document.get("planned_values", {}))
    before = _inventory(document.get("prior_state", {}).get("values", {}))
    return Estimate(
        lines=tuple(bill(after)),
        before=sum(line.monthly for line in bill(before)),
        unpriced=tuple(sorted(set(after.by_type) - {*prices()["free"], *prices()["priced"]})),
        region=region,
    )


def bill(world: Inventory) -> Iterator[Line]:
    """Every line of the monthly bill of a world, the largest kinds first."""
    for describe in _LINES:
        yield from describe(world)


def as_text(one: Estimate) -> str:
    """The estimate as a plain table, with its date, its assumptions and what it does not know."""
    width = max([len(line.item) for line in one.lines] + [20])
    amount = max([len(line.quantity) for line in one.lines] + [10])
    rows = [
        f"{line.item:<{width}}  {line.quantity:<{amount}}  {line.monthly:>9.2f}{' *' if line.assumed else ''}"
        for line in one.lines
    ]
    rows.append(f"{'total a month, US dollars':<{width}}  {'':<{amount}}  {one.total:>9.2f}")
    if one.before:
        rows.append(f"{'change':<{width}}  {'':<{amount}}  {one.change:>+9.2f}")
    return "\n".join([*rows, "", *notes(one)])


def as_markdown(one: Estimate) -> str:
    """The estimate as a Markdown table."""
    rows = ["| item | quantity | $ a month |", "| --- | --- | ---: |"]
    rows += [
        f"| {line.item} | {line.quantity} | {line.monthly:.2f}{_STAR if line.assumed else ''} |"
        for line in one.lines
    ]
    rows.append(f"| **total** | | **{one.total:.2f}** |")
    if one.before:
        rows.append(f"| change | | {one.change:+.2f} |")
    return "\n".join([*rows, "", *notes(one)])


def notes(one: Estimate) -> list[str]:
    """Where the figures come from and what they leave out."""
    table = prices()
    found = [
        f"* by assumed use. List prices of {table['region']} as of {table['date']} (pipeline/terraform/prices.yaml), "
        f"{table['hours_per_month']} hours a month, no free tier."
    ]
    if one.region != table["region"]:
        found.append(f"The environment is in {one.region}, where prices differ.")
    if one.unpriced:
        found.append(f"NOT priced: {', '.join(one.unpriced)}.")
    return found


def original() -> list[tuple[str, str, float, float]]:
    """The original design's figure of 80 to 100 dollars, line by line: item, why, what it said, what it costs.

    It runs one load balancer and two tasks of 256 CPU units and 512 MB in public subnets.
    """
    table, month = prices(), prices()["hours_per_month"]
    fargate, network = table["fargate"], table["network"]
    task = (0.25 * fargate["vcpu_hour"] + 0.5 * fargate["gb_hour"]) * month
    lcu = table["load_balancer"]["lcu_hour"] * table["assumptions"]["lcus"] * month
    transfer = network["transfer_out_gb"] * table["assumptions"]["transfer_out_gb"]
    return [
        (
            "load balancer",
            "730 hours at 0.0225",
            16.0,
            table["load_balancer"]["hour"] * month,
        ),
        ("load balancer, use", "1 LCU on average", 0.0, lcu),
        (
            "2 Fargate tasks",
            "0.04 an hour is the price of a whole vCPU; a task has a quarter of one",
            2 * 0.04 * month,
            2 * task,
        ),
        (
            "public IPv4 addresses",
            "2 of the load balancer, 2 of the tasks; charged since February 2024",
            0.0,
            4 * network["public_ipv4_hour"] * month,
        ),
        ("data transfer", "“variable”; 10 GB assumed", 10.0, transfer),
        ("log group", "1 GB assumed", 0.0, table["logs"]["ingest_gb"]),
    ]


def _inventory(values: Mapping[str, Any]) -> Inventory:
    found: dict[str, list[Values]] = {}
    for resource in _resources(values.get("root_module", {})):
        if resource.get("mode") == "managed":
            found.setdefault(resource["type"], []).append(resource.get("values", {}))
    return Inventory({kind: tuple(items) for kind, items in found.items()})


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _hours(price: float, count: float = 1) -> float:
    return float(price * count * prices()["hours_per_month"])


def _fargate(world: Inventory) -> Iterator[Line]:
    price = prices()["fargate"]
    definitions = {one.get("family"): one for one in world.all("aws_ecs_task_definition")}
    for service in world.all("aws_ecs_service"):
        definition = next(iter(definitions.values()), None)
        if definition is None:
            continue
        cpu, memory = float(definition["cpu"]) / 1024, float(definition["memory"]) / 1024
        count = int(service.get("desired_count") or 0)
        each = cpu * price["vcpu_hour"] + memory * price["gb_hour"]
        yield Line("Fargate", f"{count} x {cpu:g} vCPU, {memory:g} GB", _hours(each, count))


def _load_balancer(world: Inventory) -> Iterator[Line]:
    price, use = prices()["load_balancer"], prices()["assumptions"]["lcus"]
    count = world.count("aws_lb")
    if count:
        yield Line("load balancer", f"{count}", _hours(price["hour"], count))
        yield Line("load balancer, use", f"{use} LCU", _hours(price["lcu_hour"], use * count), True)


def _addresses(world: Inventory) -> Iterator[Line]:
    zones = (
        max(
            (len(group.get("subnet_ids") or ()) for group in world.all("aws_db_subnet_group")),
            default=0,
        )
        or sum(1 for subnet in world.all("aws_subnet")) // 2
    )
    balancers = world.count("aws_lb") * zones
    tasks = sum(
        int(service.get("desired_count") or 0)
        for service in world.all("aws_ecs_service")
        for network in service.get("network_configuration") or ()
        if network.get("assign_public_ip")
    )
    gateways = world.count("aws_eip")
    for owner, count in (("load balancer", balancers), ("tasks", tasks), ("NAT", gateways)):
        if count:
            price = prices()["network"]["public_ipv4_hour"]
            yield Line(f"public IPv4, {owner}", f"{count}", _hours(price, count))


def _egress(world: Inventory) -> Iterator[Line]:
    price, use = prices()["network"], prices()["assumptions"]
    gateways = world.count("aws_nat_gateway")
    if gateways:
        yield Line("NAT gateway", f"{gateways}", _hours(price["nat_gateway_hour"], gateways))
        amount = use["nat_gb"] * gateways
        yield Line("NAT gateway, use", f"{amount} GB", amount * price["nat_gateway_gb"], True)
    interfaces = [
        one for one in world.all("aws_vpc_endpoint") if one.get("vpc_endpoint_type") == "Interface"
    ]
    if interfaces:
        zones = max(2, *(len(one.get("subnet_ids") or ()) for one in interfaces))
        count = len(interfaces) * zones
        yield Line(
            "VPC endpoints",
            f"{len(interfaces)} x {zones} zones",
            _hours(price["interface_endpoint_hour"], count),
        )
        amount = use["endpoint_gb"] * len(interfaces)
        yield Line(
            "VPC endpoints, use", f"{amount} GB", amount * price["interface_endpoint_gb"], True
        )
    if world.count("aws_lb"):
        amount = use["transfer_out_gb"]
        yield Line(
            "transfer to the internet", f"{amount} GB", amount * price["transfer_out_gb"], True
        )


def _database(world: Inventory) -> Iterator[Line]:
    price = prices()["database"]
    for instance in world.all("aws_db_instance"):
        kind, copies = str(instance["instance_class"]), 2 if instance.get("multi_az") else 1
        hour = price["instance_hour"].get(kind)
        suffix = " x 2 zones" if copies > 1 else ""
        if hour is None:
            yield Line(f"RDS {kind}: price unknown", f"1{suffix}", 0.0, True)
        else:
            yield Line(f"RDS {kind}", f"1{suffix}", _hours(hour, copies))
        size = float(instance["allocated_storage"])
        yield Line("RDS storage", f"{size:g} GB{suffix}", size * price["storage_gb"] * copies)


def _secrets(world: Inventory) -> Iterator[Line]:
    managed = sum(
        1 for one in world.all("aws_db_instance") if one.get("manage_master_user_password")
    )
    count = world.count("aws_secretsmanager_secret") + managed
    if count:
        yield Line("secrets", f"{count}", count * prices()["secrets"]["secret"])
    keys = world.count("aws_kms_key")
    if keys:
        yield Line("encryption keys", f"{keys}", keys * prices()["keys"]["key"])


def _logs(world: Inventory) -> Iterator[Line]:
    price, use = prices()["logs"], prices()["assumptions"]
    if world.count("aws_cloudwatch_log_group"):
        amount = use["application_log_gb"] + (
            use["database_log_gb"] if world.count("aws_db_instance") else 0
        )
        yield Line("logs", f"{amount:g} GB", amount * price["ingest_gb"], True)
    flows = world.count("aws_flow_log")
    if flows:
        amount = use["flow_log_gb"] * flows
        yield Line("VPC flow logs", f"{amount:g} GB", amount * price["flow_log_gb"], True)


def _metrics(world: Inventory) -> Iterator[Line]:
    price = prices()["metrics"]
    alarms = world.count("aws_cloudwatch_metric_alarm")
    if alarms:
        yield Line("alarms", f"{alarms}", alarms * price["alarm"])
    insights = sum(
        1
        for cluster in world.all("aws_ecs_cluster")
        for setting in cluster.get("setting") or ()
        if setting.get("name") == "containerInsights" and setting.get("value") != "disabled"
    )
    if insights:
        count = prices()["assumptions"]["container_insights_metrics"] * insights
        yield Line("Container Insights", f"{count} metrics", count * price["custom_metric"], True)


def _firewall(world: Inventory) -> Iterator[Line]:
    price = prices()["firewall"]
    for acl in world.all("aws_wafv2_web_acl"):
        rules = len(acl.get("rule") or ())
        yield Line("WAF", f"1 and {rules} rules", price["acl"] + rules * price["rule"])
        millions = prices()["assumptions"]["requests_millions"]
        yield Line(
            "WAF, use", f"{millions} million requests", millions * price["million_requests"], True
        )


def _storage(world: Inventory) -> Iterator[Line]:
    price, use = prices()["storage"], prices()["assumptions"]
    buckets = world.count("aws_s3_bucket")
    if buckets:
        amount = use["s3_gb"] * buckets
        yield Line("S3", f"{amount:g} GB", amount * price["s3_gb"], True)
    registries = world.count("aws_ecr_repository")
    if registries:
        amount = use["ecr_gb"] * registries
        yield Line("image registry", f"{amount:g} GB", amount * price["ecr_gb"], True)


_LINES: Iterable[Callable[[Inventory], Iterator[Line]]] = (
    _fargate,
    _load_balancer,
    _addresses,
    _egress,
    _database,
    _secrets,
    _logs,
    _metrics,
    _firewall,
    _storage,
)
