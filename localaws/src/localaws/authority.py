"""Certificate authorities of our own that outlive a restart: for the HTTPS front door and for the databases."""

import json
import os
import ssl
from pathlib import Path
from typing import Any

from localaws import emulator

_OURS_ALONE = 0o600
LOCAL_NAMES = ["localhost", "*.alb.localhost"]
LOCAL_ADDRESSES = ["127.0.0.1", "::1"]


def authority(folder: Path, name: str) -> tuple[str, str]:
    """The certificate and key of an authority in PEM, made on first use; ``<folder>/<name>-ca.pem`` is for clients."""
    file = folder / f"{name}-authority.json"
    if not file.is_file():
        certificate, key = emulator.core("x509_utils").generate_ca(
            org_name="Local AWS", common_name=f"Local AWS {name}"
        )
        _write(file, json.dumps({"certificate": certificate, "key": key}))
    pair = json.loads(file.read_text(encoding="utf-8"))
    (folder / f"{name}-ca.pem").write_text(pair["certificate"], encoding="utf-8")
    return pair["certificate"], pair["key"]


def install(folder: Path) -> None:
    """Lets RDS use an authority that stays the same, so that clients can trust it by file."""
    rds = emulator.service("rds")

    def ensure(_original: Any) -> tuple[str, str]:
        if rds._pg_ca is None:
            rds._pg_ca = authority(folder, "rds")
        return rds._pg_ca  # type: ignore[no-any-return]

    emulator.wrap(rds, "_ensure_pg_ca", ensure)


class Certificates:
    """TLS contexts of the HTTPS front door: one for this machine's names, one for each domain that ACM knows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.default = self._context("localhost", LOCAL_NAMES, LOCAL_ADDRESSES)
        self.default.sni_callback = self._choose

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        if name and name not in LOCAL_NAMES and name in _domains():
            connection.context = self._context(name, [name], [])

    def _context(self, name: str, names: list[str], addresses: list[str]) -> ssl.SSLContext:
        if name not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(leaf(self._folder, name, names, addresses))
            self._contexts[name] = context
        return self._contexts[name]


def leaf(folder: Path, name: str, names: list[str], addresses: list[str]) -> Path:
    """A file with key and certificate for these names, signed by the authority ``web``; made on first use."""
    file = folder / "tls" / f"{name}.pem"
    if not file.is_file():
        certificate, key = authority(folder, "web")
        signed, signed_key, _public = emulator.core("x509_utils").sign_leaf_certificate(
            certificate, key, common_name=name, san_dns=names, san_ips=addresses
        )
        _write(file, f"{signed_key}\n{signed}\n{certificate}")
    return file


def _domains() -> set[str]:
    """Every name that a certificate in ACM is for."""
    found: set[str] = set()
    for _scope, certificate in emulator.service("acm")._certificates.all_items():
        found.add(certificate["DomainName"])
        found.update(certificate.get("SubjectAlternativeNames") or [])
    return found


def _write(file: Path, text: str) -> None:
    """Writes a file that only this user can read, from its first moment on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OURS_ALONE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
    partial.replace(file)
