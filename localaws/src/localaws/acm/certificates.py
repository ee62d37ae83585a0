"""Certificates with the option that AWS sets by itself, so that a second plan has no changes."""

from typing import Any

from localaws import emulator
from localaws.emulator import acm

_LOGGING = "CertificateTransparencyLoggingPreference"


def install() -> None:
    """Extends ministack's ACM."""
    emulator.wrap(acm, "_request_certificate", _request)


def _request(original: Any, data: Any) -> Any:
    before = set(acm._certificates)
    response = original(data)
    for arn in set(acm._certificates) - before:
        acm._certificates[arn]["Options"] = {_LOGGING: "ENABLED"} | (data.get("Options") or {})
    return response
