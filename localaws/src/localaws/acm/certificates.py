"""Certificates as ACM issues them: once the record that proves the domain is in a hosted zone here; with the option
that AWS sets by itself, so that a second plan has no changes.
"""

from typing import Any

from localaws import emulator
from localaws.emulator import acm, alb, route53

_LOGGING = "CertificateTransparencyLoggingPreference"
_PENDING, _ISSUED = "PENDING_VALIDATION", "ISSUED"


def install() -> None:
    emulator.wrap(acm, "_request_certificate", _request)
    emulator.wrap(acm, "_describe_certificate", _after_validation)
    emulator.wrap(acm, "_list_certificates", _after_validation)
    emulator.wrap(alb, "_default_certificate", _require_issued)


def _request(original: Any, data: Any) -> Any:
    before = set(acm._certificates)
    response = original(data)
    for arn in set(acm._certificates) - before:
        certificate = acm._certificates[arn]
        certificate["Options"] = {_LOGGING: "ENABLED"} | (data.get("Options") or {})
        certificate["Status"] = _PENDING
        for option in certificate["DomainValidationOptions"]:
            option["ValidationStatus"] = _PENDING
    return response


def _after_validation(original: Any, data: Any) -> Any:
    _validate()
    return original(data)


def _require_issued(original: Any, params: Any) -> Any:
    """A listener takes no certificate that waits for its record."""
    arns, error = original(params)
    _validate()
    for arn in arns or ():
        if acm._certificates.get(arn, {}).get("Status") == _PENDING:
            message = (
                f"The certificate '{arn}' must have a fully-qualified domain name, a supported"
                " signature, and a supported key size."
            )
            return None, alb._error("UnsupportedCertificate", message)
    return arns, error


def _validate() -> None:
    """Issues the certificates whose records are all there."""
    records = {
        (record["Name"].rstrip("."), record["Type"], value.rstrip("."))
        for zone in route53._records.values()
        for record in zone
        for value in record.get("ResourceRecords") or ()
    }
    for certificate in acm._certificates.values():
        options = certificate.get("DomainValidationOptions") or ()
        for option in options:
            wanted = option["ResourceRecord"]
            proof = (wanted["Name"].rstrip("."), wanted["Type"], wanted["Value"].rstrip("."))
            if proof in records:
                option["ValidationStatus"] = "SUCCESS"
        if all(option["ValidationStatus"] == "SUCCESS" for option in options):
            certificate["Status"] = _ISSUED
