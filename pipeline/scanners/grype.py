"""Runs grype on an image: with a valid database, with our settings alone, and counting what it really looked at."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import console, locks, process, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, LOCAL, log_file

#: grype's own variable for another address of its database.
DATABASE_VARIABLE = "GRYPE_DB_UPDATE_URL"
#: The kinds of packages that an image of ours has, by the beginning of their package URLs.
KINDS = {"Debian": "pkg:deb/", "Python": "pkg:pypi/"}
#: A package with published flaws in every release of Debian.
KNOWN_BAD = "openssl@0"


@dataclass(frozen=True)
class Report:
    """What grype said of an image: its JSON document, and how many packages it looked at.

    ``unknown`` names the controls whose flaws the database does not know.
    """

    document: dict[str, Any]
    packages: int
    unknown: tuple[str, ...]


def scan(reference: str, database: str, controls: Sequence[str], reports: Path) -> Report:
    """Looks up the packages of an image in the engine, in a database that is a file or an address.

    The image and not its bill of materials, because grype also finds the interpreter, which no package manager lists.

    Args:
        controls: URLs of packages with known flaws; one of the image's Debian release is added.

    Raises:
        PipelineError: The database is damaged or too old, or grype failed or saw no packages of a kind.
    """
    program = tools.tool("grype")
    log = log_file("scan-grype")
    log.unlink(missing_ok=True)
    reports.mkdir(parents=True, exist_ok=True)
    report, bill, known = (reports / f"grype{end}" for end in (".json", ".cdx.json", "-known.json"))
    listed = reports / "grype-known.txt"
    with console.progress("grype") as step, _folder(database) as folder:
        settings = folder / "settings.yaml"
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

        another = "read the log; fetch a newer database"
        fetch = ("import", database) if Path(database).is_file() else ("update",)
        run("db", *fetch, next_step=another)
        run("db", "status", next_step=another)
        formats = {"json": report, "cyclonedx-json": bill, "sarif": reports / "grype.sarif"}
        outputs = [f"--output={name}={file}" for name, file in formats.items()]
        run(f"docker:{reference}", *outputs)
        document = _read(report)
        asked = [*controls, _debian(document["distro"])]
        listed.write_text("\n".join(asked) + "\n", encoding="utf-8")
        run(f"purl:{listed}", f"--output=json={known}")
    answered = {match["artifact"]["purl"] for match in _read(known)["matches"]}
    unknown = tuple(one for one in asked if one not in answered)
    return Report(document, _count(_read(bill), reference), unknown)


@contextmanager
def _folder(database: str) -> Iterator[Path]:
    """Where grype keeps its database.

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
    """Ours without the settings of a user's own grype, which could hide findings, as a settings file could."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GRYPE_") or name == DATABASE_VARIABLE
    }
    return {
        **kept,
        "GRYPE_DB_CACHE_DIR": str(folder),
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "NO_COLOR": "1",
    }


def _debian(system: dict[str, Any]) -> str:
    """The control for the image's release; grype finds nothing at all in a release that its database does not have."""
    return f"pkg:deb/debian/{KNOWN_BAD}?distro={system.get('name')}-{system.get('version')}"


def _count(bill: dict[str, Any], reference: str) -> int:
    """How many packages grype saw in the image."""
    seen = [one["purl"] for one in bill.get("components", []) if one.get("purl")]
    for kind, beginning in KINDS.items():
        if not any(purl.startswith(beginning) for purl in seen):
            raise PipelineError(
                f"grype saw no {kind} packages in {reference}",
                next_step="check containers/app/rootfs.py: what it keeps of the packages' records",
            )
    return len(seen)


def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document
