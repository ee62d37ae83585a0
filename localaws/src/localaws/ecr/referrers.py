"""Artifacts that name an image as their subject, which ministack stores and does not list (OCI 1.1, referrers API)."""

import json
import re
from typing import Any

from localaws import emulator
from localaws.emulator import ecr

_PATH = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})")
#: Entries of a page. ECR's has 50; few, so that clients meet a second page.
_PAGE = 3
_INDEX = "application/vnd.oci.image.index.v1+json"


def install() -> None:
    emulator.wrap(ecr, "_v2_put_manifest", _put)
    emulator.wrap(ecr, "handle_registry_request", _handle)
    emulator.wrap(emulator.front(), "_is_ecr_registry_path", _is_registry_path)


def _is_registry_path(original: Any, path: str) -> bool:
    return bool(original(path) or _PATH.fullmatch(path))


def _put(original: Any, name: str, ref: str, headers: dict[str, str], body: bytes) -> Any:
    """Tells who pushes an artifact that its subject was understood."""
    status, answered, content = original(name, ref, headers, body)
    subject = _subject(_manifest(body)) if status == 201 else ""  # noqa: PLR2004 - HTTP status
    return status, answered | ({"OCI-Subject": subject} if subject else {}), content


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
    start = int(ecr._query_first(query, "start") or 0)
    found = _referrers(name, match["digest"])
    answered = {"Content-Type": _INDEX}
    if start + _PAGE < len(found):
        answered["Link"] = f'<{path}?start={start + _PAGE}>; rel="next"'
    page = found[start : start + _PAGE]
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": page}
    return ecr._registry_ok(200, answered, json.dumps(index).encode())


def _referrers(name: str, digest: str) -> list[dict[str, Any]]:
    found = []
    for image in ecr._images.get(name, []):
        content = ecr._manifest_blobs.get(name, {}).get(image["imageDigest"], b"")
        manifest = _manifest(content)
        if _subject(manifest) == digest:
            described = {
                "mediaType": image["imageManifestMediaType"],
                "digest": image["imageDigest"],
                "size": len(content),
                "artifactType": manifest.get("artifactType")
                or (manifest.get("config") or {}).get("mediaType", ""),
                "annotations": manifest.get("annotations") or {},
            }
            found.append(described)
    return found


def _subject(manifest: dict[str, Any]) -> str:
    subject = manifest.get("subject")
    return str(subject.get("digest", "")) if isinstance(subject, dict) else ""


def _manifest(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
