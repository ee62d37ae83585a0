"""A database of advisories that the real grype takes, with the few advisories a test needs.

It has only the tables and columns of grype's schema 6 that these advisories fill (``grype/db/v6/models.go``): at its
import grype adds what is missing, as it does to a published database, which comes without its indexes.
"""

import hashlib
import json
import sqlite3
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: The one file of an archive, by the name that grype wants.
FILE = "vulnerability.db"
MODEL, REVISION, ADDITION = 6, 1, 4
#: Releases of Debian; grype looks for both, the number and the name.
RELEASES = {"11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"}
TABLES = """
CREATE TABLE `db_metadata` (`build_timestamp` datetime NOT NULL, `model` integer NOT NULL, `revision` integer NOT NULL,
  `addition` integer NOT NULL);
CREATE TABLE `blobs` (`id` integer PRIMARY KEY AUTOINCREMENT, `value` text NOT NULL);
CREATE TABLE `providers` (`id` text, `date_captured` datetime, PRIMARY KEY (`id`));
CREATE TABLE `operating_systems` (`id` integer PRIMARY KEY AUTOINCREMENT, `name` text, `release_id` text,
  `major_version` text, `minor_version` text, `label_version` text, `codename` text, `channel` text);
CREATE TABLE `packages` (`id` integer PRIMARY KEY AUTOINCREMENT, `ecosystem` text, `name` text);
CREATE TABLE `vulnerability_handles` (`id` integer PRIMARY KEY AUTOINCREMENT, `name` text NOT NULL,
  `status` text NOT NULL, `provider_id` text NOT NULL, `blob_id` integer,
  CONSTRAINT `fk_vulnerability_handles_provider` FOREIGN KEY (`provider_id`) REFERENCES `providers`(`id`));
CREATE TABLE `affected_package_handles` (`id` integer PRIMARY KEY AUTOINCREMENT, `vulnerability_id` integer NOT NULL,
  `operating_system_id` integer, `package_id` integer, `blob_id` integer,
  CONSTRAINT `fk_affected_package_handles_vulnerability` FOREIGN KEY (`vulnerability_id`)
    REFERENCES `vulnerability_handles`(`id`),
  CONSTRAINT `fk_affected_package_handles_operating_system` FOREIGN KEY (`operating_system_id`)
    REFERENCES `operating_systems`(`id`),
  CONSTRAINT `fk_affected_package_handles_package` FOREIGN KEY (`package_id`) REFERENCES `packages`(`id`));
"""


@dataclass(frozen=True)
class Advisory:
    """A flaw of every version of a package below ``fixed``, or of all of them when nothing mends it.

    ``debian`` is the release whose package it is (as ``12``; binary or source); a Python package has none.
    """

    name: str
    package: str
    fixed: str = ""
    severity: str = "High"
    debian: str = ""


#: What the scan asks every database, to see that it knows anything at all.
CONTROLS = (
    Advisory("CONTROL-0", "jinja2", "2.4.2"),
    *(Advisory(f"CONTROL-{one}", "openssl", "0.1", debian=one) for one in RELEASES),
)


def make(
    folder: Path,
    advisories: Sequence[Advisory],
    *,
    built: datetime | None = None,
    controls: Sequence[Advisory] = CONTROLS,
) -> Path:
    """Writes an archive for ``GRYPE_DATABASE``; grype refuses one that was built more than five days ago."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / FILE
    database.unlink(missing_ok=True)
    moment = f"{built or datetime.now(UTC):%Y-%m-%d %H:%M:%S}+00:00"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(TABLES)
        _insert(connection, "db_metadata", build_timestamp=moment, **_schema())
        _insert(connection, "providers", id="debian", date_captured=moment)
        _insert(connection, "providers", id="github", date_captured=moment)
        for advisory in (*controls, *advisories):
            _add(connection, advisory)
    archive = folder / "database.tar.gz"
    with tarfile.open(archive, "w:gz") as target:
        target.add(database, FILE)
    database.unlink()
    return archive


def publish(archive: Path, folder: Path) -> None:
    """Lays an archive and its listing into a folder that is then served at ``GRYPE_DB_UPDATE_URL``."""
    place = folder / f"v{MODEL}"
    place.mkdir(parents=True)
    content = archive.read_bytes()
    (place / archive.name).write_bytes(content)
    listing = {
        "status": "active",
        "schemaVersion": f"v{MODEL}.{REVISION}.{ADDITION}",
        "built": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "path": archive.name,
        "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
    }
    (place / "latest.json").write_text(json.dumps(listing), encoding="utf-8")


def _schema() -> dict[str, int]:
    return {"model": MODEL, "revision": REVISION, "addition": ADDITION}


def _add(connection: sqlite3.Connection, advisory: Advisory) -> None:
    severity = {"scheme": "CHMLN", "value": advisory.severity.lower(), "rank": 1}
    vulnerability = _insert(
        connection,
        "vulnerability_handles",
        name=advisory.name,
        status="active",
        provider_id="debian" if advisory.debian else "github",
        blob_id=_blob(connection, {"id": advisory.name, "severities": [severity]}),
    )
    package = _once(
        connection,
        "packages",
        ecosystem="deb" if advisory.debian else "python",
        name=advisory.package,
    )
    _insert(
        connection,
        "affected_package_handles",
        vulnerability_id=vulnerability,
        operating_system_id=_system(connection, advisory.debian) if advisory.debian else None,
        package_id=package,
        blob_id=_blob(connection, {"ranges": list(_ranges(advisory))}),
    )


def _ranges(advisory: Advisory) -> Iterator[dict[str, Any]]:
    version = {
        "type": "dpkg" if advisory.debian else "python",
        "constraint": f"< {advisory.fixed}" if advisory.fixed else "",
    }
    state = "fixed" if advisory.fixed else "not-fixed"
    yield {"version": version, "fix": {"version": advisory.fixed, "state": state}}


def _system(connection: sqlite3.Connection, release: str) -> int:
    return _once(
        connection,
        "operating_systems",
        name="debian",
        release_id="debian",
        major_version=release,
        minor_version="",
        label_version="",
        codename=RELEASES[release],
        channel="",
    )


def _blob(connection: sqlite3.Connection, value: dict[str, Any]) -> int:
    return _insert(connection, "blobs", value=json.dumps(value))


def _once(connection: sqlite3.Connection, table: str, **row: str) -> int:
    """The row of these values; grype allows a package and a system but one."""
    wanted = " AND ".join(f"{column} = ?" for column in row)
    statement = f"SELECT id FROM {table} WHERE {wanted}"  # noqa: S608 - our own names
    known = connection.execute(statement, list(row.values())).fetchone()
    return int(known[0]) if known else _insert(connection, table, **row)


def _insert(connection: sqlite3.Connection, table: str, **row: Any) -> int:
    columns, places = ", ".join(row), ", ".join("?" * len(row))
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - our own names
    return int(connection.execute(statement, list(row.values())).lastrowid or 0)
