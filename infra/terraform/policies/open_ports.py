"""A policy of our own for checkov: the internet reaches ports 80 and 443, and nothing else."""

from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

WORLD = {"0.0.0.0/0", "::/0"}
PUBLIC = {80, 443}
#: One rule by itself, and a group with its rules inside.
RULES = ("aws_vpc_security_group_ingress_rule", "aws_security_group_rule")


class OpenPorts(BaseResourceCheck):  # type: ignore[misc] # checkov has no types here
    """Refuses an ingress rule that lets the whole internet reach another port than 80 or 443."""

    def __init__(self) -> None:
        super().__init__(
            name="Ensure that the internet reaches ports 80 and 443 only",
            id="APP_AWS_1",
            categories=[CheckCategories.NETWORKING],
            supported_resources=[*RULES, "aws_security_group"],
        )

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        """Judges one resource; checkov gives each attribute as a list."""
        if self.entity_type == "aws_security_group":
            rules = [rule for rule in conf.get("ingress", []) if isinstance(rule, dict)]
        elif _first(conf, "type") == "egress":
            rules = []
        else:
            rules = [conf]
        return CheckResult.FAILED if any(map(_opens, rules)) else CheckResult.PASSED


def _opens(rule: dict[str, Any]) -> bool:
    if not WORLD & set(map(str, _sources(rule))):
        return False
    first, last = _first(rule, "from_port"), _first(rule, "to_port")
    if not isinstance(first, int) or not isinstance(last, int):
        # Open to the world at ports that cannot be read here: not to be waved through.
        return True
    return not set(range(first, min(last, first + len(PUBLIC)) + 1)) <= PUBLIC


def _sources(rule: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in ("cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks"):
        value = rule.get(name) or []
        for one in value if isinstance(value, list) else [value]:
            found += one if isinstance(one, list) else [one]
    return found


def _first(rule: dict[str, Any], name: str) -> Any:
    value = rule.get(name)
    return value[0] if isinstance(value, list) and value else value


check = OpenPorts()
