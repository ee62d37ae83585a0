"""Certificates that show the option AWS sets by itself, so that a second plan has nothing to change."""

from typing import Any

from localaws import emulator

_LOGGING = "CertificateTransparencyLoggingPreference"


def install() -> None:
    """Extends ministack's ACM."""
    emulator.wrap(emulator.service("acm"), "_request_certificate", _request)


def _request(original: Any, data: Any) -> Any:
    acm = emulator.service("acm")
    known = set(acm._certificates)
    response = original(data)
    for arn in set(acm._certificates) - known:
        acm._certificates[arn]["Options"] = {_LOGGING: "ENABLED"} | (data.get("Options") or {})
    return response
