"""Differences between the real world and the desired state, read from a plan: changed by hand, or not applied yet."""

import re
from collections.abc import Iterator, Mapping
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


def differences(document: Mapping[str, Any]) -> list[str]:
    """The differences in a plan (Terraform's JSON of it), changes by hand first.

    A plan does not show a rule that somebody added to a security group, since each rule is a resource of its own:
    such rules are found by comparing the groups with the rules in the state.
    """
    outside = {change.address: change for change in changes.read(document, "resource_drift")}
    by_hand = list(_foreign_rules(document.get("prior_state", {}).get("values", {})))
    not_applied = []
    for change in changes.read(document):
        if change.action == "import":
            continue
        if other := outside.get(change.address):
            by_hand.append(f"{change.address}: changed by hand, {_what(other, by_hand=True)}")
        else:
            what = _what(change, by_hand=False)
            not_applied.append(f"{change.address}: not applied yet, {what}")
    return sorted(by_hand) + sorted(not_applied)


def _foreign_rules(state: Mapping[str, Any]) -> Iterator[str]:
    """Rules of security groups that no resource of the state accounts for."""
    resources = list(changes.managed(state))
    ours = {
        _rule(_DIRECTIONS[resource["type"]], resource["values"])
        for resource in resources
        if resource["type"] in _DIRECTIONS
    }
    for resource in resources:
        if resource["type"] in _GROUPS:
            for _, *rule in sorted(set(_rules(resource["values"])) - ours):
                what = f"it has a rule that is not in Git: {' '.join(rule)}"
                yield f"{resource['address']}: changed by hand, {what}"


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
