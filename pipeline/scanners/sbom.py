"""The bill of materials (CycloneDX) of the scanned image: the packages that syft, inside grype, listed for the scan."""

import json
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import REPORTS

FILE = "sbom.cdx.json"
#: The kinds of packages that an image of ours has, by the beginning of their package URLs.
KINDS = {"Debian": "pkg:deb/", "Python": "pkg:pypi/"}


def keep(listed: Path, image: str, reports: Path = REPORTS) -> int:
    """Keeps what grype listed of an image, and returns the number of packages; PipelineError where a kind has none."""
    document: dict[str, Any] = json.loads(listed.read_text(encoding="utf-8"))
    packages = [part["purl"] for part in document.get("components", []) if part.get("purl")]
    for kind, beginning in KINDS.items():
        if not any(purl.startswith(beginning) for purl in packages):
            raise PipelineError(
                f"grype saw no {kind} packages in {image}",
                next_step="check that the Dockerfile's last stage keeps the packages' records",
            )
    # Advisories are of the day; the bill is the image's for good.
    document.pop("vulnerabilities", None)
    document["metadata"]["component"] |= {"name": image, "version": image}
    files.write(reports / FILE, json.dumps(document, indent=1) + "\n")
    return len(packages)


def find(image: str, reports: Path = REPORTS) -> dict[str, Any] | None:
    """The bill of an image, named as for ``keep``; None unless the last scan with a database was of it."""
    document = files.read_json(reports / FILE, {"metadata"})
    return document if document and document["metadata"]["component"]["name"] == image else None


def of(image: str, reports: Path = REPORTS) -> Path:
    """The file with the bill of an image; raises PipelineError where ``find`` has none."""
    if find(image, reports) is None:
        raise PipelineError(
            "there is no bill of materials of the image", next_step="run ./inv scan before the push"
        )
    return reports / FILE
