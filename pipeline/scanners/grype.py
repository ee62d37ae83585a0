"""Known vulnerabilities of the image, by grype: with a valid database, and with our settings alone.

No database is trusted blindly: one that knows no flaw of packages known to have some counts as NOT CHECKED.
"""

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
    """A file with a database, or the address of a source that answers; empty where there is neither.

    Raises:
        PipelineError: ``GRYPE_DATABASE`` names a file that does not exist.
    """
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
        answer = httpx.get(newest, timeout=PROBE_SECONDS, follow_redirects=True)
    except httpx.HTTPError:
        return ""
    return address if answer.status_code == httpx.codes.OK else ""


def scan(
    image: str,
    database: str,
    reports: Path = REPORTS,
    ignored: frozenset[str] | None = None,
) -> Outcome:
    """Looks up the packages of an image in the engine, and keeps its bill of materials (``sbom.of``).

    Args:
        image: Its id. grype looks at the image itself: it finds the interpreter too, which no package manager lists.
        database: As ``database_at_hand`` returns it.
        ignored: Ids of the accepted advisories; those of the repository when None.

    Raises:
        PipelineError: The database is damaged or too old, or grype failed or saw no packages of a kind.
    """
    document, packages, unknown = _run(image, database, reports)
    if unknown:
        return not_checked(
            NAME, f"the database does not even know the flaws of {' and '.join(unknown)}"
        )
    ignored = accepted() if ignored is None else ignored
    findings = [_finding(match, ignored) for match in document["matches"]]
    return judged(NAME, packages, "packages", findings)


def _finding(match: dict[str, Any], ignored: frozenset[str]) -> Finding:
    """A match as a finding; it fails when it is severe and a newer version fixes it."""
    advisory, package = match["vulnerability"], match["artifact"]
    names = {advisory["id"], *(other["id"] for other in match.get("relatedVulnerabilities", []))}
    versions = advisory.get("fix", {}).get("versions") or []
    fix = f"fixed in {', '.join(versions)}" if versions else "no fixed version yet"
    return Finding(
        rule=advisory["id"],
        where=f"{package['name']} {package['version']}",
        line=0,
        message=f"{advisory['severity']}; {fix}",
        fails=bool(versions) and advisory["severity"] in FAILING and not names & ignored,
    )


def _run(image: str, database: str, reports: Path) -> tuple[dict[str, Any], int, list[str]]:
    """grype's report, the number of packages, and the controls whose flaws the database does not know."""
    program = tools.tool("grype")
    log = log_file("scan-grype")
    log.unlink(missing_ok=True)
    reports.mkdir(parents=True, exist_ok=True)
    with console.progress("grype") as step, _folder(database) as folder:
        names = ("settings.yaml", "packages.json", "report.json", "controls.txt", "answers.json")
        settings, listed, report, controls, answers = (folder / name for name in names)
        settings.write_text("", encoding="utf-8")

        def run(*argv: str, next_step: str = "read the log") -> None:
            process.run(
                [program, "--config", settings, *argv],
                log=log,
                env=_environment(folder),
                append=True,
                on_line=step.update,
                next_step=next_step,
            )

        fetch = ("import", database) if Path(database).is_file() else ("update",)
        for command in (fetch, ("status",)):
            run("db", *command, next_step="read the log; fetch a newer database")
        run(f"docker:{image}", f"--output=json={report}", f"--output=cyclonedx-json={listed}")
        document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        packages = sbom.keep(listed, image, reports)
        # grype finds nothing at all in a release of Debian that its database does not have.
        asked = [control.format(**document["distro"]) for control in KNOWN_BAD]
        controls.write_text("\n".join(asked) + "\n", encoding="utf-8")
        run(f"purl:{controls}", f"--output=json={answers}")
        matches = json.loads(answers.read_text(encoding="utf-8"))["matches"]
    answered = {match["artifact"]["purl"] for match in matches}
    return document, packages, [control for control in asked if control not in answered]


@contextmanager
def _folder(database: str) -> Iterator[Path]:
    """Where grype keeps its database and its reports.

    One from a file is there for this scan only: a later update would take it for the published one if it is newer.
    """
    if Path(database).is_file():
        LOCAL.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="grype-", dir=LOCAL) as own:
            yield Path(own)
    else:
        shared = CACHE / "grype"
        shared.mkdir(parents=True, exist_ok=True)
        with locks.exclusive("grype-database", CACHE / "locks", wait=True):
            yield shared


def _environment(folder: Path) -> dict[str, str]:
    """This process's environment without settings of a user's own grype, which could hide findings."""
    kept = (
        name for name in os.environ if not name.startswith("GRYPE_") or name == ADDRESS_VARIABLE
    )
    return {
        **{name: os.environ[name] for name in kept},
        "GRYPE_DB_CACHE_DIR": str(folder),
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "NO_COLOR": "1",
    }
