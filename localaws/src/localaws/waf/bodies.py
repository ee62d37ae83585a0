"""The one managed rule that depends on length alone: ``SizeRestrictions_BODY`` of AWS's common rule set."""

from typing import Any

from localaws.emulator import waf

#: Bytes of a body that WAF inspects behind a load balancer; the rule blocks a longer one (AWS WAF developer guide).
INSPECTED = 8192


def blocks(account: str, region: str, balancer: str, length: int) -> bool:
    """Whether the web ACL of a load balancer (its ARN) refuses a body of so many bytes."""
    arn = waf._associations.get_scoped(account, region, balancer)
    acls = [acl for _, acl in waf._web_acls.all_items() if acl["ARN"] == arn]
    return length > INSPECTED and any(_blocks(rule) for acl in acls for rule in acl["Rules"])


def _blocks(rule: dict[str, Any]) -> bool:
    group = rule["Statement"].get("ManagedRuleGroupStatement", {})
    overridden = [override["Name"] for override in group.get("RuleActionOverrides", [])]
    return (
        group.get("Name") == "AWSManagedRulesCommonRuleSet"
        and "Count" not in rule.get("OverrideAction", {})
        and "SizeRestrictions_BODY" not in overridden
    )
