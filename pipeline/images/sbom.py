"""The bill of materials of an image in CycloneDX: its Debian and Python packages, read from the image itself."""

import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.core.errors import PipelineError
from pipeline.core.paths import REPORTS
from pipeline.images import docker as engine

DPKG_STATUS = "var/lib/dpkg/status"
OS_RELEASE = "usr/lib/os-release"


def write(image: str, version: str, target: Path = REPORTS / "sbom.cdx.json") -> Path:
    """Writes the bill of an image in the engine; the same image gives the same bytes.

    Raises:
        PipelineError: The image names no packages, so the bill would claim that it is empty.
    """
    document = describe(image, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return target


def describe(image: str, version: str) -> dict[str, Any]:
    """The bill as a CycloneDX 1.6 document."""
    files = dict(_records(image))
    system = dict(
        line.replace('"', "").split("=", 1)
        for line in files.get(OS_RELEASE, "").splitlines()
        if "=" in line
    )
    debian = list(_debian(files.get(DPKG_STATUS, ""), system.get("VERSION_ID", "")))
    python = list(_python(files))
    if not debian or not python:
        raise PipelineError(
            f"{image} lists no {'Python' if debian else 'Debian'} packages",
            next_step="check containers/app/rootfs.py: scanners would see nothing either",
        )
    image_id = engine.client().images.get(image).id or image
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.UUID(hashlib.sha256(image_id.encode()).hexdigest()[:32]).urn,
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "name": "ecs-saas-app",
                "version": version,
                "bom-ref": image_id,
            }
        },
        "components": [
            {
                "type": "operating-system",
                "name": system.get("ID", "linux"),
                "version": system.get("VERSION_ID", ""),
                "bom-ref": "operating-system",
            },
            *debian,
            *python,
        ],
    }


def _debian(status: str, release: str) -> Iterator[dict[str, Any]]:
    """Named as scanners do: they find no flaw of a package whose release and source they cannot read from its URL."""
    for paragraph in status.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph.strip())
        if not fields["Package"]:
            continue
        name, version = fields["Package"], fields["Version"]
        source, _, of = (fields["Source"] or "").partition(" ")
        purl = (
            f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}"
            f"?arch={fields['Architecture']}&distro=debian-{release}"
        )
        if source:
            built_from = f"{source}@{of.strip('()')}" if of else source
            purl += f"&upstream={quote(built_from, safe='')}"
        yield {
            "type": "library",
            "name": name,
            "version": version,
            "purl": purl,
            "bom-ref": purl,
            "properties": [{"name": "debian:source", "value": source or name}],
        }


def _python(files: dict[str, str]) -> Iterator[dict[str, Any]]:
    for path in sorted(files):
        if not path.endswith(".dist-info/METADATA"):
            continue
        fields = HeaderParser().parsestr(files[path])
        name = fields["Name"].lower().replace("_", "-").replace(".", "-")
        purl = f"pkg:pypi/{quote(name)}@{quote(fields['Version'])}"
        yield {
            "type": "library",
            "name": name,
            "version": fields["Version"],
            "purl": purl,
            "bom-ref": purl,
        }


def _records(image: str) -> Iterator[tuple[str, str]]:
    """The files of an image that list packages; read through a container that is never started."""
    container = engine.client().containers.create(image, labels=dict(engine.LABELS))
    try:
        stream, _ = container.get_archive("/opt/venv/lib")
        yield from _files(stream)
        for path in (f"/{DPKG_STATUS}", f"/{OS_RELEASE}"):
            stream, _ = container.get_archive(path)
            for _name, content in _files(stream):
                yield path.lstrip("/"), content
    finally:
        container.remove(force=True)


def _files(stream: Any) -> Iterator[tuple[str, str]]:
    archive = tarfile.open(fileobj=io.BytesIO(b"".join(stream)))  # noqa: SIM115 - closed with its buffer
    for entry in archive:
        wanted = entry.name.endswith((".dist-info/METADATA", "status", "os-release"))
        content = archive.extractfile(entry) if wanted and entry.isfile() else None
        if content:
            yield entry.name, content.read().decode("utf-8", "replace")
