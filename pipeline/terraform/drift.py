"""What differs between the real world and the desired state, read from a plan: by hand, or not applied yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]
Rule = tuple[str, str, int, int, str]


@dataclass(frozen=True)
class Difference:
    """One resource that is not what Git says. ``by_hand`` means that it was changed outside of Terraform."""

    address: str
    what: str
    by_hand: bool

    def __str__(self) -> str:
        origin = "changed by hand" if self.by_hand else "not applied yet"
        return f"{self.address}: {origin}, {self.what}"


def differences(document: Mapping[str, Any]) -> list[Difference]:
    """The differences that a plan (Terraform's JSON of it) shows, changes by hand first.

    A plan alone is silent on a rule that somebody added to a security group, since each rule is a resource of its
    own and nobody asked for that one: such rules are found by comparing the groups with the known rules.
    """
    outside = {one["address"]: one["change"] for one in document.get("resource_drift", [])}
    found = []
    for resource in document.get("resource_changes", []):
        actions = resource["change"]["actions"]
        if actions in (["no-op"], ["read"]) or resource.get("mode") == "data":
            continue
        address = resource["address"]
        by_hand = address in outside
        what = _what(outside[address] if by_hand else resource["change"], by_hand=by_hand)
        found.append(Difference(address, what, by_hand))
    found += foreign_rules(document.get("prior_state", {}).get("values", {}))
    return sorted(found, key=lambda one: (not one.by_hand, one.address))


def foreign_rules(state: Mapping[str, Any]) -> list[Difference]:
    """Rules of our security groups that no resource of the state accounts for."""
    resources = list(_resources(state.get("root_module", {})))
    known: dict[str, set[Rule]] = {}
    for resource in resources:
        direction = {
            "aws_vpc_security_group_ingress_rule": "ingress",
            "aws_vpc_security_group_egress_rule": "egress",
        }.get(resource["type"])
        if direction:
            values = resource["values"]
            known.setdefault(values["security_group_id"], set()).add(_own_rule(direction, values))
    found = []
    for resource in resources:
        if resource["type"] not in ("aws_security_group", "aws_default_security_group"):
            continue
        values = resource["values"]
        foreign = set(_group_rules(values)) - known.get(str(values["id"]), set())
        for direction, protocol, low, high, peer in sorted(foreign):
            ports = "all ports" if protocol == "-1" else f"{protocol} {_ports(low, high)}"
            what = f"it has a rule that is not in Git: {direction} {ports}, {peer}"
            found.append(Difference(resource["address"], what, by_hand=True))
    return found


def _what(change: Mapping[str, Any], *, by_hand: bool) -> str:
    actions = set(change["actions"])
    if "delete" in actions and by_hand:
        return "it is gone"
    if {"create", "delete"} <= actions:
        return "to be replaced"
    if "create" in actions:
        return "to be created"
    if "delete" in actions:
        return "to be destroyed"
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    names = sorted(
        name
        for name in {*before, *after, *unknown}
        if (unknown.get(name) is True or (before.get(name) or None) != (after.get(name) or None))
        and name != "tags_all"
    )
    return f"in {', '.join(names) or 'its tags'}"


def _own_rule(direction: str, values: Values) -> Rule:
    peer = (
        values.get("referenced_security_group_id")
        or values.get("cidr_ipv4")
        or values.get("cidr_ipv6")
        or values.get("prefix_list_id")
        or ""
    )
    return (
        direction,
        str(values.get("ip_protocol")),
        _port(values.get("from_port")),
        _port(values.get("to_port")),
        str(peer),
    )


def _group_rules(values: Values) -> Iterator[Rule]:
    for direction in ("ingress", "egress"):
        for entry in values.get(direction) or []:
            protocol = str(entry["protocol"])
            # For all protocols a group says port 0, a rule says none.
            ports = (
                (-1, -1)
                if protocol == "-1"
                else (_port(entry["from_port"]), _port(entry["to_port"]))
            )
            peers = [
                *(entry.get("cidr_blocks") or []),
                *(entry.get("ipv6_cidr_blocks") or []),
                *(entry.get("security_groups") or []),
                *(entry.get("prefix_list_ids") or []),
                *([values["id"]] if entry.get("self") else []),
            ]
            for peer in peers:
                yield (direction, protocol, *ports, str(peer))


def _port(value: Any) -> int:
    return -1 if value is None else int(value)


def _ports(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in module.get("resources", []) if one.get("mode") == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)
