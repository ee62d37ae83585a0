"""What is attached to an image in its registry: artifacts that name it as their subject (OCI 1.1, referrers API)."""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import httpx

from pipeline.core.errors import PipelineError
from pipeline.images import push, registries
from pipeline.images.registries import Credentials
from pipeline.releases.image_reference import ImageReference

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
#: The configuration of an artifact that has none (image-spec, guidance for an empty descriptor).
EMPTY, EMPTY_TYPE = b"{}", "application/vnd.oci.empty.v1+json"
#: Bytes; a bill of materials has less than one million.
LARGEST = 20_000_000


def attach(
    image: ImageReference,
    kind: str,
    content: bytes,
    annotations: Mapping[str, str],
    credentials: Credentials | None,
) -> None:
    """Attaches content of a media type to an image; raises PipelineError where the registry cannot find it again."""
    repository = image.repository
    subject = registries.call(
        "GET",
        repository,
        f"manifests/{image.digest}",
        credentials,
        headers={"Accept": ", ".join(push.MANIFESTS)},
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": _blob(repository, EMPTY, EMPTY_TYPE, credentials),
        "layers": [_blob(repository, content, kind, credentials)],
        "subject": _descriptor(subject.content, subject.headers["content-type"]),
        "annotations": dict(annotations),
    }
    text = json.dumps(manifest).encode()
    answer = registries.call(
        "PUT",
        repository,
        f"manifests/{_digest(text)}",
        credentials,
        statuses=(httpx.codes.CREATED,),
        headers={"Content-Type": MANIFEST},
        content=text,
    )
    if "oci-subject" not in answer.headers:
        # The specification's way around is a tag that moves, and tags do not move here.
        raise PipelineError(
            f"the registry of {repository} does not list what is attached to an image",
            next_step="use a registry with the referrers API of OCI 1.1, as Amazon ECR has",
        )


def attached(image: ImageReference, kind: str, credentials: Credentials | None) -> list[bytes]:
    """All content of a media type that is attached to an image; empty content for what cannot be read.

    Whoever may push to the repository can attach anything: nothing of theirs keeps the rest from being read.
    """
    found, path = [], f"referrers/{image.digest}"
    while path:
        answer = registries.call("GET", image.repository, path, credentials)
        found += [
            each
            for each in answer.json()["manifests"]
            if (each.get("artifactType"), each["mediaType"]) == (kind, MANIFEST)
        ]
        path = answer.links.get("next", {}).get("url", "")
    return [_content(image.repository, each["digest"], credentials) for each in found]


def _content(repository: str, digest: str, credentials: Credentials | None) -> bytes:
    """The one layer of a manifest; nothing where it is not what a statement is kept in, or gone."""
    ask = functools.partial(
        registries.call,
        "GET",
        repository,
        credentials=credentials,
        # Whoever attached it may have named what no registry can have.
        statuses=(httpx.codes.OK, httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND),
    )
    try:
        (layer,) = ask(path=f"manifests/{digest}", headers={"Accept": MANIFEST}).json()["layers"]
        if layer["size"] > LARGEST:
            return b""
        blob = ask(path=f"blobs/{layer['digest']}")
    except (KeyError, TypeError, ValueError):
        return b""
    return blob.content if blob.is_success else b""


def _blob(
    repository: str, content: bytes, kind: str, credentials: Credentials | None
) -> dict[str, Any]:
    """Pushes a blob, unless it is there, and returns its descriptor."""
    described = _descriptor(content, kind)
    there = registries.call(
        "HEAD",
        repository,
        f"blobs/{described['digest']}",
        credentials,
        statuses=(httpx.codes.OK, httpx.codes.NOT_FOUND),
    )
    if there.status_code == httpx.codes.NOT_FOUND:
        started = registries.call(
            "POST", repository, "blobs/uploads/", credentials, statuses=(httpx.codes.ACCEPTED,)
        )
        place = httpx.URL(started.headers["location"]).copy_add_param("digest", described["digest"])
        registries.call(
            "PUT",
            repository,
            str(place),
            credentials,
            statuses=(httpx.codes.CREATED,),
            headers={"Content-Type": "application/octet-stream"},
            content=content,
        )
    return described


def _descriptor(content: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
