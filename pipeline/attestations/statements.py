"""What is attested of an image, as in-toto statements: how it was built, what is in it, what its scan found."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.paths import REPORTS
from pipeline.github import actions
from pipeline.images import app as app_image
from pipeline.images.app import Record
from pipeline.releases.image_reference import ImageReference
from pipeline.scanners import sbom

STATEMENT = "https://in-toto.io/Statement/v1"
#: Types of predicates. ``cosign verify`` looks for the first one; it says no more than that the image is signed.
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
BILL = "https://cyclonedx.org/bom"
SCAN = "https://cosign.sigstore.dev/attestation/vuln/v1"
#: GitHub's own type of a build by a workflow (actions.github.io/buildtypes/workflow/v1), and its hosted runners.
WORKFLOW_BUILD = "https://actions.github.io/buildtypes/workflow/v1"
HOSTED_RUNNER = "https://github.com/actions/runner/github-hosted"
#: The builder where no workflow runs: trusted by the environment of the same machine alone.
THIS_MACHINE = "urn:builder:this-machine"
SCAN_FILE = "scan-image.json"


def statement(image: ImageReference, kind: str, predicate: dict[str, Any]) -> bytes:
    """An in-toto statement (version 1, JSON) about an image."""
    subject = {
        "name": image.repository,
        "digest": {"sha256": image.digest.removeprefix("sha256:")},
    }
    document = {
        "_type": STATEMENT,
        "subject": [subject],
        "predicateType": kind,
        "predicate": predicate,
    }
    return json.dumps(document, sort_keys=True).encode()


def known(record: Record) -> dict[str, dict[str, Any]]:
    """The predicates that can be made of a build, by type: bill and scan only where the last ones were of its image."""
    found: dict[str, dict[str, Any]] = {SIGNATURE: {}, PROVENANCE: provenance(record)}
    if bill := sbom.find(record.image_id):
        found[BILL] = bill
    if scan := find_scan(record.image_id):
        found[SCAN] = scan
    return found


def provenance(record: Record) -> dict[str, Any]:
    """Provenance of SLSA 1.0: the source, what it was built on, and the workflow's file, branch and run."""
    source, ref = app_image.source(), os.environ.get("GITHUB_REF", "")
    # owner/name/.github/workflows/main.yml@refs/heads/main: the workflow that runs, not one that it calls.
    path, _, workflow_ref = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")
    workflow = {
        "repository": source,
        "path": path.removeprefix(f"{os.environ.get('GITHUB_REPOSITORY', '')}/"),
        "ref": workflow_ref,
    }
    running = actions.running()
    return {
        "buildDefinition": {
            "buildType": WORKFLOW_BUILD if running else THIS_MACHINE,
            "externalParameters": {"workflow": workflow} if running else {},
            "internalParameters": {
                "version": record.version,
                **({"github": {"repository_id": actions.repository_id()}} if running else {}),
            },
            "resolvedDependencies": [
                {
                    "uri": f"git+{source}{f'@{ref}' if ref else ''}",
                    "digest": {"gitCommit": record.revision},
                },
                {"uri": record.base},
            ],
        },
        "runDetails": {
            "builder": {"id": HOSTED_RUNNER if running else THIS_MACHINE},
            "metadata": {"invocationId": actions.run_url(), "finishedOn": _now()},
        },
    }


def keep_scan(image: str, outcome: dict[str, Any]) -> None:
    """Keeps what a scan of an image found, named by its id, in the shape of cosign's predicate for vulnerabilities."""
    predicate = {
        "invocation": {"uri": actions.run_url()},
        "scanner": {"uri": "pkg:golang/github.com/anchore/grype", "result": outcome},
        "metadata": {"scanFinishedOn": _now()},
    }
    files.write(REPORTS / SCAN_FILE, json.dumps({"image": image, "predicate": predicate}) + "\n")


def find_scan(image: str, reports: Path = REPORTS) -> dict[str, Any] | None:
    """The predicate that ``keep_scan`` kept of an image; None unless the last scan was of it."""
    document = files.read_json(reports / SCAN_FILE, {"image", "predicate"})
    return document["predicate"] if document and document["image"] == image else None


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
