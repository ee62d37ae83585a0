"""Logging configurations of web ACLs, which ministack lacks; kept in the ACL's record, so they outlive a restart."""

from functools import partial
from typing import Any

from localaws import emulator
from localaws.emulator import waf

_KEPT = "_LoggingConfiguration"
_ACTIONS = ("PutLoggingConfiguration", "GetLoggingConfiguration", "DeleteLoggingConfiguration")


def install() -> None:
    emulator.add_actions(waf, {action: partial(_answer, action) for action in _ACTIONS})


def _answer(action: str, data: dict[str, Any]) -> Any:
    wanted = data.get("LoggingConfiguration", data)
    acl = next((acl for acl in waf._web_acls.values() if acl["ARN"] == wanted["ResourceArn"]), None)
    if acl is None or (action != _ACTIONS[0] and _KEPT not in acl):
        message = "AWS WAF couldn't perform the operation because your resource doesn't exist."
        return waf.error_response_json("WAFNonexistentItemException", message, 400)
    if action == "PutLoggingConfiguration":
        acl[_KEPT] = wanted
    if action == "DeleteLoggingConfiguration":
        del acl[_KEPT]
        return waf.json_response({})
    return waf.json_response({"LoggingConfiguration": acl[_KEPT]})
