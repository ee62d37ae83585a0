"""Known vulnerabilities: of the image by grype, of the locked Python packages by OSV. Without a database: not checked.

Neither is trusted blindly: each must know the flaws of a package that is known to have some, since an index that knows
nothing answers like one that found nothing.
"""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from ruamel.yaml import YAML

from pipeline.core.errors import PipelineError
from pipeline.core.paths import REPORTS, ROOT
from pipeline.git import repository as git
from pipeline.scanners import grype
from pipeline.scanners.findings import Finding, Outcome, judged, not_checked

IMAGE = "vulnerabilities of the image"
PACKAGES = "vulnerabilities of the Python packages"
#: grype's own default.
DATABASES = "https://grype.anchore.io/databases"
#: A database in a file, for machines that cannot fetch one: `grype db import` takes it.
FILE_VARIABLE = "GRYPE_DATABASE"
OSV_VARIABLE = "OSV_API"
OSV = "https://api.osv.dev"
#: A package with published flaws: a source that does not know them knows nothing.
KNOWN_BAD = "pkg:pypi/jinja2@2.4.1"
#: Severities that fail the scan when a fixed version exists.
FAILING = ("High", "Critical")
#: Accepted advisories: `id`, `reason`, and `until`, after which they count again.
ACCEPTED = ROOT / "accepted-advisories.yaml"
PROBE_SECONDS = 5
QUERY_SECONDS = 60
BATCH = 500
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def database_at_hand() -> str:
    """Where a vulnerability database can be had from (a file, or an address that answers), or nothing."""
    file = os.environ.get(FILE_VARIABLE)
    if file:
        if not Path(file).is_file():
            raise PipelineError(
                f"{FILE_VARIABLE} names {file}, which is not there",
                next_step="name a grype database archive, or unset the variable",
            )
        return str(Path(file).resolve())
    address = os.environ.get(grype.DATABASE_VARIABLE) or DATABASES
    return address if _answers(f"{address.rstrip('/')}/v6/latest.json") else ""


def image(
    reference: str, reports: Path = REPORTS, ignored: frozenset[str] | None = None
) -> Outcome:
    """Looks up the packages of an image in the engine; grype is obtained only when it has a database.

    Args:
        ignored: The accepted advisories; those of the repository when None.

    Raises:
        PipelineError: The database is damaged or too old, or grype failed or saw no package.
    """
    source = database_at_hand()
    if not source:
        return not_checked(
            IMAGE,
            f"no advisory database can be had here (reach {DATABASES}, or name a file in {FILE_VARIABLE})",
        )
    report = grype.scan(reference, source, [KNOWN_BAD], reports)
    if report.unknown:
        return not_checked(
            IMAGE, f"the database does not even know the flaws of {' and '.join(report.unknown)}"
        )
    return judge(report.document, report.packages, accepted() if ignored is None else ignored)


def judge(document: dict[str, Any], packages: int, ignored: frozenset[str]) -> Outcome:
    """The outcome of a grype report: what is severe and mended upstream fails, the rest is told."""
    findings = []
    for match in document["matches"]:
        advisory, package = match["vulnerability"], match["artifact"]
        names = {advisory["id"], *(one["id"] for one in match.get("relatedVulnerabilities", []))}
        fixed = advisory.get("fix", {}).get("versions") or []
        mended = f"; fixed in {', '.join(fixed)}" if fixed else "; no fixed version yet"
        findings.append(
            Finding(
                rule=advisory["id"],
                where=f"{package['name']} {package['version']}",
                line=0,
                message=f"{advisory['severity']}{mended}",
                fails=bool(fixed) and advisory["severity"] in FAILING and not names & ignored,
            )
        )
    return judged(IMAGE, packages, "packages", findings)


def python(root: Path = ROOT) -> Outcome:
    """Asks OSV about every version that a requirements lock names.

    Raises:
        PipelineError: There is no lock, or OSV answered what cannot be read.
    """
    address = (os.environ.get(OSV_VARIABLE) or OSV).rstrip("/")
    locked = dict(_locked(root))
    try:
        known, *answers = _ask(address, [KNOWN_BAD, *locked])
    except httpx.HTTPError as error:
        return not_checked(PACKAGES, f"{address} does not answer ({type(error).__name__})")
    if not known:
        return not_checked(PACKAGES, f"{address} does not even know the flaws of {KNOWN_BAD}")
    ignored = accepted()
    findings = [
        Finding(name, locked[purl], 0, purl.removeprefix("pkg:pypi/"), name not in ignored)
        for purl, names in zip(locked, answers, strict=True)
        for name in names
    ]
    return judged(PACKAGES, len(locked), "packages", findings)


def accepted(file: Path = ACCEPTED, today: date | None = None) -> frozenset[str]:
    """The advisories that are accepted today.

    Raises:
        PipelineError: An entry lacks its id, reason or end.
    """
    if not file.is_file():
        return frozenset()
    entries = YAML(typ="safe").load(file.read_text(encoding="utf-8")) or []
    for entry in entries:
        if not (entry.get("id") and entry.get("reason") and isinstance(entry.get("until"), date)):
            raise PipelineError(
                f"{file.name}: {entry.get('id') or entry} needs an id, a reason and until (a date)",
                next_step=f"correct {file.name}",
            )
    day = today or datetime.now(UTC).date()
    return frozenset(entry["id"] for entry in entries if entry["until"] >= day)


def _locked(root: Path) -> Iterator[tuple[str, str]]:
    """The package URL of every locked version, and the first lock that names it."""
    seen: set[str] = set()
    for path in git.files("*requirements.txt", "requirements/*.txt", root=root):
        for name, version in REQUIREMENT.findall(path.read_text(encoding="utf-8")):
            purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
            if purl not in seen:
                seen.add(purl)
                yield purl, str(path.relative_to(root))


def _ask(address: str, purls: Sequence[str]) -> list[list[str]]:
    """For each package URL the advisories that OSV has for it."""
    answers: list[list[str]] = []
    with httpx.Client(timeout=httpx.Timeout(QUERY_SECONDS, connect=PROBE_SECONDS)) as client:
        for start in range(0, len(purls), BATCH):
            batch = purls[start : start + BATCH]
            response = client.post(
                f"{address}/v1/querybatch",
                json={"queries": [{"package": {"purl": purl}} for purl in batch]},
            )
            response.raise_for_status()
            results = response.json()["results"]
            if len(results) != len(batch):
                raise PipelineError(
                    f"{address} answered {len(results)} of {len(batch)} questions",
                    next_step="try again later",
                )
            answers += [[one["id"] for one in result.get("vulns", [])] for result in results]
    return answers


def _answers(address: str) -> bool:
    try:
        response = httpx.get(address, timeout=PROBE_SECONDS, follow_redirects=True)
    except httpx.HTTPError:
        return False
    return response.status_code == httpx.codes.OK
