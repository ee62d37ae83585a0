"""Artifacts that name an image as their subject, which ministack stores and does not list (OCI 1.1, referrers API)."""

import json
import re
from typing import Any

from localaws import emulator
from localaws.emulator import ecr

_PATH = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})")
_INDEX = "application/vnd.oci.image.index.v1+json"


def install() -> None:
    """Extends ministack's registry."""
    emulator.wrap(ecr, "_v2_put_manifest", _put)
    emulator.wrap(ecr, "handle_registry_request", _handle)


def _put(original: Any, name: str, ref: str, headers: dict[str, str], body: bytes) -> Any:
    """Tells who pushes an artifact that its subject was understood."""
    status, answered, content = original(name, ref, headers, body)
    subject = _manifest(body).get("subject") if status == 201 else None  # noqa: PLR2004 - HTTP status
    return status, answered | ({"OCI-Subject": subject["digest"]} if subject else {}), content


async def _handle(original: Any, *request: Any) -> Any:
    """Any request: its method, path, headers, body and query parameters."""
    method, path, headers, _, query = request
    match = _PATH.fullmatch(path)
    if match is None or method != "GET":
        return await original(*request)
    name = match["name"]
    ecr._select_registry_request_scope(name, headers, query)
    if (missing := ecr._ensure_repo_exists(name)) is not None:
        return missing
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": _referrers(name, match["digest"]),
    }
    return ecr._registry_ok(200, {"Content-Type": _INDEX}, json.dumps(index).encode())


def _referrers(name: str, digest: str) -> list[dict[str, Any]]:
    found = []
    for image in ecr._images.get(name, []):
        content = ecr._manifest_blobs.get(name, {}).get(image["imageDigest"], b"")
        manifest = _manifest(content)
        if manifest.get("subject", {}).get("digest") == digest:
            described = {
                "mediaType": image["imageManifestMediaType"],
                "digest": image["imageDigest"],
                "size": len(content),
                "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"],
                "annotations": manifest.get("annotations", {}),
            }
            found.append(described)
    return found


def _manifest(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
