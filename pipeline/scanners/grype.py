"""Known vulnerabilities of the image, by grype with our settings alone; a database that knows no flaw of packages known
to have some counts as NOT CHECKED."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pipeline.core import console, locks, process, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, LOCAL, REPORTS, log_file
from pipeline.scanners import sbom
from pipeline.scanners.advisories import answered
from pipeline.scanners.findings import Finding, Outcome, accepted, judged, not_checked

NAME = "vulnerabilities of the image"
#: grype's own default, and its own variable for another address.
DATABASES = "https://grype.anchore.io/databases"
ADDRESS_VARIABLE = "GRYPE_DB_UPDATE_URL"
#: A database in a file, for machines that cannot fetch one: `grype db import` takes it.
FILE_VARIABLE = "GRYPE_DATABASE"
NO_DATABASE = (
    f"no advisory database can be had here (reach {DATABASES}, or name a file in {FILE_VARIABLE})"
)
#: Packages with published flaws: a Python one, and a Debian one of any release, to which the image's is added.
KNOWN_BAD = ("pkg:pypi/jinja2@2.4.1", "pkg:deb/debian/openssl@0?distro={name}-{version}")
#: Severities that fail the scan when a fixed version exists.
FAILING = ("High", "Critical")
PROBE_SECONDS = 5


def database_at_hand() -> str:
    """A file with a database, or the address of a source that answers; empty where there is neither."""
    if file := os.environ.get(FILE_VARIABLE):
        if not Path(file).is_file():
            raise PipelineError(
                f"{FILE_VARIABLE} names {file}, which is not there",
                next_step="name a grype database archive, or unset the variable",
            )
        return str(Path(file).resolve())
    address = os.environ.get(ADDRESS_VARIABLE) or DATABASES
    newest = f"{address.rstrip('/')}/v6/latest.json"
    try:
        answered("GET", newest, timeout=PROBE_SECONDS)
    except httpx.HTTPError:
        return ""
    return address


def scan(
    image: str, database: str, reports: Path = REPORTS, ignored: frozenset[str] | None = None
) -> Outcome:
    """Looks up the packages of an image in the engine, and keeps its bill of materials (``sbom.of``).

    ``image`` is its id: grype finds the interpreter in it too, which no package manager lists. ``ignored`` are the ids
    of the accepted advisories, those of the repository when None.

    Raises PipelineError where the database is damaged or too old, or grype failed or saw no packages of a kind.
    """
    with console.progress("grype") as step, _folder(database) as folder:
        source = ["import", database] if Path(database).is_file() else ["update"]
        _run(folder, step, "db", *source)
        listed, controls = folder / "packages.json", folder / "controls.txt"
        document = _report(folder, step, f"docker:{image}", f"--output=cyclonedx-json={listed}")
        packages = sbom.keep(listed, image, reports)
        # grype finds nothing at all in a release of Debian that its database does not have.
        asked = [control.format(**document["distro"]) for control in KNOWN_BAD]
        controls.write_text("\n".join(asked) + "\n", encoding="utf-8")
        answers = _report(folder, step, f"purl:{controls}")["matches"]
    unknown = {*asked} - {match["artifact"]["purl"] for match in answers}
    if unknown:
        names = " and ".join(sorted(unknown))
        return not_checked(NAME, f"the database does not even know the flaws of {names}")
    ignored = accepted() if ignored is None else ignored
    findings = [finding(match, ignored) for match in document["matches"]]
    return judged(NAME, packages, "packages", findings)


def finding(match: dict[str, Any], ignored: frozenset[str]) -> Finding:
    """A match as a finding; it fails when it is severe and a newer version fixes it."""
    advisory, package = match["vulnerability"], match["artifact"]
    names = {advisory["id"], *(other["id"] for other in match.get("relatedVulnerabilities", []))}
    versions = advisory.get("fix", {}).get("versions") or []
    fix = f"fixed in {', '.join(versions)}" if versions else "no fixed version yet"
    return Finding(
        rule=advisory["id"],
        where="Dockerfile",
        line=0,
        message=f"{advisory['severity']}; {fix}",
        fails=bool(versions) and advisory["severity"] in FAILING and not names & ignored,
        package=f"{package['name']} {package['version']}",
    )


def _report(folder: Path, step: console.Step, source: str, *options: str) -> dict[str, Any]:
    """grype's report (JSON) on what a source holds."""
    file = folder / "report.json"
    _run(folder, step, source, f"--output=json={file}", *options)
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def _run(folder: Path, step: console.Step, *arguments: str) -> None:
    """Runs grype with its database in the folder, without settings of a user's own, which could hide findings."""
    settings = folder / "settings.yaml"
    settings.write_text("", encoding="utf-8")
    address = os.environ.get(ADDRESS_VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name[:6] != "GRYPE_"}
    environment |= {"GRYPE_DB_CACHE_DIR": str(folder), "GRYPE_DB_AUTO_UPDATE": "false"}
    environment |= {"GRYPE_CHECK_FOR_APP_UPDATE": "false", "NO_COLOR": "1"}
    environment |= {ADDRESS_VARIABLE: address} if address else {}
    process.run(
        [tools.tool("grype"), "--config", settings, *arguments],
        log=log_file("scan-grype"),
        env=environment,
        on_line=step.update,
        next_step="read the log; fetch a newer database if it names the database",
    )


@contextmanager
def _folder(database: str) -> Iterator[Path]:
    """Where grype keeps its database and its reports."""
    # A database from a file stays for one scan: an update would take a newer one for the published one.
    if Path(database).is_file():
        LOCAL.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="grype-", dir=LOCAL) as own:
            yield Path(own)
    else:
        shared = CACHE / "grype"
        shared.mkdir(parents=True, exist_ok=True)
        with locks.exclusive("grype-database", CACHE / "locks", wait=True):
            yield shared
