"""Certificate authorities that outlive a restart: for the HTTPS front door and for the databases."""

import functools
import json
import ssl
from pathlib import Path
from typing import Any

from localaws import emulator, files
from localaws.emulator import acm, rds, x509_utils

LOCAL_NAMES = ["localhost", "*.alb.localhost"]
LOCAL_ADDRESSES = ["127.0.0.1", "::1"]


def authority(folder: Path, name: str) -> tuple[str, str]:
    """The certificate and key of an authority in PEM, made on first use; ``<folder>/<name>-ca.pem`` is for clients."""
    file = folder / f"{name}-authority.json"
    if not file.is_file():
        certificate, key = x509_utils.generate_ca(
            org_name="Local AWS", common_name=f"Local AWS {name}"
        )
        files.write(file, json.dumps({"certificate": certificate, "key": key}).encode())
    pair = json.loads(file.read_text(encoding="utf-8"))
    (folder / f"{name}-ca.pem").write_text(pair["certificate"], encoding="utf-8")
    return pair["certificate"], pair["key"]


def install(folder: Path) -> None:
    """Lets RDS use an authority that stays the same, so that clients can trust it by file."""

    def ensure(_original: Any) -> tuple[str, str]:
        if rds._pg_ca is None:
            rds._pg_ca = authority(folder, "rds")
        return rds._pg_ca  # type: ignore[no-any-return]

    emulator.wrap(rds, "_ensure_pg_ca", ensure)


def front_door(folder: Path) -> ssl.SSLContext:
    """The TLS context of the HTTPS front door: for this machine's names, and for each domain that ACM knows."""

    @functools.cache
    def context(name: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_cert_chain(leaf(folder, name))
        return made

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name and name not in LOCAL_NAMES and name in _domains():
            connection.context = context(name)

    default = context("localhost")
    default.sni_callback = choose
    return default


def leaf(folder: Path, name: str = "localhost") -> Path:
    """A file with key and certificate for a domain or this machine, signed by the authority ``web``."""
    file = folder / "tls" / f"{name}.pem"
    if not file.is_file():
        certificate, key = authority(folder, "web")
        local = name == "localhost"
        signed, signed_key, _public = x509_utils.sign_leaf_certificate(
            certificate,
            key,
            common_name=name,
            san_dns=LOCAL_NAMES if local else [name],
            san_ips=LOCAL_ADDRESSES if local else [],
        )
        files.write(file, f"{signed_key}\n{signed}\n{certificate}".encode())
    return file


def _domains() -> set[str]:
    """Every name that a certificate in ACM is for."""
    names: set[str] = set()
    for _scope, certificate in acm._certificates.all_items():
        names.add(certificate["DomainName"])
        names.update(certificate.get("SubjectAlternativeNames") or [])
    return names
