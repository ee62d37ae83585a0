"""Known vulnerabilities of the locked Python packages, from OSV; see docs/decisions/0005-scanners.md."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.scanners.advisories import answered
from pipeline.scanners.findings import Finding, Outcome, accepted, judged, not_checked

NAME = "vulnerabilities of the Python packages"
#: The variable with another address than OSV's own.
VARIABLE = "OSV_API"
ADDRESS = "https://api.osv.dev"
#: A package with published flaws: a source that does not know them knows nothing.
KNOWN_BAD = "pkg:pypi/jinja2@2.4.1"
#: The lock of what the image ships; the other locks are of tools, which never reach a user.
SHIPPED = "app/requirements.txt"
#: As GitHub's advisories name them; one that names none counts as severe.
HARMLESS = ("LOW", "MODERATE")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
TIMEOUT = httpx.Timeout(60, connect=5)


def scan(root: Path = ROOT) -> Outcome:
    """Asks OSV about every version that a requirements lock names, on whatever platform it is for.

    A finding fails when it is severe, fixed in a newer version, and of a package that the image ships.
    """
    address = (os.environ.get(VARIABLE) or ADDRESS).rstrip("/")
    locked = _locked(root)
    try:
        control, *answers = _ask(address, [KNOWN_BAD, *locked])
        shipped = (
            ids for lock, ids in zip(locked.values(), answers, strict=True) if lock == SHIPPED
        )
        severe = _severe(address, {advisory for ids in shipped for advisory in ids})
    except httpx.HTTPError as error:
        return not_checked(NAME, f"{address} does not answer ({type(error).__name__})")
    if not control:
        return not_checked(NAME, f"{address} does not even know the flaws of {KNOWN_BAD}")
    ignored = accepted()
    findings = [
        Finding(advisory, lock, 0, "known", fails, package=purl.removeprefix("pkg:pypi/"))
        for (purl, lock), advisories in zip(locked.items(), answers, strict=True)
        for advisory in advisories
        for fails in [lock == SHIPPED and advisory in severe - ignored]
    ]
    return judged(NAME, len(locked), "packages", findings)


def _locked(root: Path) -> dict[str, str]:
    """The package URL of every locked version, with the first lock that names it."""
    packages: dict[str, str] = {}
    for lock in git.files("*requirements.txt", "requirements/*.txt", root=root):
        for name, version in REQUIREMENT.findall(lock.read_text(encoding="utf-8")):
            purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
            packages.setdefault(purl, str(lock.relative_to(root)))
    return packages


def _ask(address: str, purls: list[str]) -> list[list[str]]:
    """The ids of the advisories for each package URL; at most 1,000 fit into one query."""
    query = {"queries": [{"package": {"purl": purl}} for purl in purls]}
    response = answered("POST", f"{address}/v1/querybatch", json=query, timeout=TIMEOUT)
    return [
        [advisory["id"] for advisory in result.get("vulns", [])]
        for result in response.json()["results"]
    ]


def _severe(address: str, advisories: set[str]) -> set[str]:
    """The advisories that are severe, not withdrawn, and fixed in some version; an alias may name the severity."""
    records: dict[str, dict[str, Any]] = {}
    for advisory in sorted(advisories):
        record = f"{address}/v1/vulns/{quote(advisory)}"
        records[advisory] = answered("GET", record, timeout=TIMEOUT).json()
    return {
        advisory
        for advisory, record in records.items()
        if not record.get("withdrawn")
        and _fixed(record)
        and not {
            records.get(name, {}).get("database_specific", {}).get("severity")
            for name in (advisory, *record.get("aliases", ()))
        }.intersection(HARMLESS)
    }


def _fixed(record: dict[str, Any]) -> bool:
    ranges = (span for part in record.get("affected", ()) for span in part.get("ranges", ()))
    return any("fixed" in event for span in ranges for event in span.get("events", ()))
