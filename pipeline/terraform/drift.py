"""Differences between the real world and the desired state, read from a plan: changed by hand, or not applied yet."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.terraform import changes

_GROUPS = ("aws_security_group", "aws_default_security_group")
_DIRECTIONS = {
    "aws_vpc_security_group_ingress_rule": "ingress",
    "aws_vpc_security_group_egress_rule": "egress",
}
_PEERS = ("referenced_security_group_id", "cidr_ipv4", "cidr_ipv6", "prefix_list_id")
_PEER_LISTS = ("cidr_blocks", "ipv6_cidr_blocks", "security_groups", "prefix_list_ids")

#: Group id, direction, ports and peer.
Rule = tuple[str, str, str, str]


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
    """The differences in a plan (Terraform's JSON of it), changes by hand first.

    A plan does not show a rule that somebody added to a security group, since each rule is a resource of its own:
    such rules are found by comparing the groups with the rules in the state.
    """
    outside = {change.address: change for change in changes.read(document, "resource_drift")}
    rows = foreign_rules(document.get("prior_state", {}).get("values", {}))
    for change in changes.read(document):
        by_hand = change.address in outside
        if change.action != "import":
            what = _what(outside.get(change.address, change), by_hand=by_hand)
            rows.append(Difference(change.address, what, by_hand))
    return sorted(rows, key=lambda row: (not row.by_hand, row.address))


def foreign_rules(state: Mapping[str, Any]) -> list[Difference]:
    """Rules of security groups that no resource of the state accounts for."""
    resources = list(changes.managed(state))
    ours = {
        _rule(_DIRECTIONS[resource["type"]], resource["values"])
        for resource in resources
        if resource["type"] in _DIRECTIONS
    }
    return [
        Difference(
            resource["address"], f"it has a rule that is not in Git: {' '.join(rule)}", by_hand=True
        )
        for resource in resources
        if resource["type"] in _GROUPS
        for _, *rule in sorted(set(_rules(resource["values"])) - ours)
    ]


def _what(change: changes.Change, *, by_hand: bool) -> str:
    if change.action == "update":
        names = {re.split(r"[.\[]", attribute.name)[0] for attribute in change.attributes}
        return f"in {', '.join(sorted(names)) or 'its tags'}"
    if change.action == "destroy" and by_hand:
        return "it is gone"
    return f"an apply would {change.action} it"


def _rule(direction: str, values: Mapping[str, Any]) -> Rule:
    peer = next((str(values[name]) for name in _PEERS if values.get(name)), "")
    ports = _ports(values["ip_protocol"], values.get("from_port"), values.get("to_port"))
    return str(values["security_group_id"]), direction, f"{ports},", peer


def _rules(group: Mapping[str, Any]) -> Iterator[Rule]:
    for direction in ("ingress", "egress"):
        for entry in group.get(direction) or []:
            ports = _ports(entry["protocol"], entry["from_port"], entry["to_port"])
            peers = [peer for name in _PEER_LISTS for peer in entry.get(name) or []]
            for peer in [*peers, *([group["id"]] if entry.get("self") else [])]:
                yield str(group["id"]), direction, f"{ports},", str(peer)


def _ports(protocol: str, low: int | None, high: int | None) -> str:
    if str(protocol) == "-1":
        return "all ports"
    return f"{protocol} {low}" if low == high else f"{protocol} {low} to {high}"
