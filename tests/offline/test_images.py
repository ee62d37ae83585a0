"""An image comes from a registry where one answers, by digest, and is built where none does: decided image by image."""

import hashlib
import io
import json
import secrets
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from pipeline.images import docker as engine
from pipeline.images import registries
from pipeline.kubernetes import images as clusterimages

pytestmark = pytest.mark.engine


class Registry:
    """As much of a registry as a pull by digest needs, holding one image."""

    def __init__(self, blobs: dict[str, tuple[str, bytes]]) -> None:
        self.asked: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                name = self.path.rpartition("/")[2]
                kind, content = blobs.get(name, ("application/json", b"{}"))
                self.send_response(200 if name in blobs or self.path == "/v2/" else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if name.startswith("sha256:"):
                    self.send_header("Docker-Content-Digest", name)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET  # noqa: N815 - the server's word

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def one_layer_image() -> tuple[str, dict[str, tuple[str, bytes]]]:
    """A tiny image: the digest of its manifest, and its blobs by digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("from-the-registry")
        archive.addfile(entry)
    layer = packed.getvalue()

    def named(content: bytes) -> str:
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"made": secrets.token_hex(8)}},
            "rootfs": {"type": "layers", "diff_ids": [named(layer)]},
        }
    ).encode()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": named(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                    "size": len(layer),
                    "digest": named(layer),
                }
            ],
        }
    ).encode()
    blobs = {
        named(config): ("application/octet-stream", config),
        named(layer): ("application/octet-stream", layer),
    }
    return named(manifest), blobs | {named(manifest): (kind, manifest)}


@pytest.fixture
def wanted() -> Iterator[clusterimages.Image]:
    """The pause image under a name of this test's."""
    unique = f"test-{secrets.token_hex(4)}"
    image = replace(clusterimages.image("pause"), reference=f"registry.k8s.io/{unique}:1")
    yield image
    for name in (image.local_name,):
        try:
            engine.client().images.remove(name, force=True)
        except docker.errors.ImageNotFound:
            continue


def test_where_a_registry_answers_the_image_is_pulled_by_digest(
    wanted: clusterimages.Image,
) -> None:
    digest, blobs = one_layer_image()
    registry = Registry(blobs)
    name = clusterimages.provide(replace(wanted, digest=digest), registry=registry.host)
    labels = engine.client().images.get(name).labels
    assert "made" in labels
    assert clusterimages.RECIPE_LABEL not in labels
    assert any(path.endswith(digest) for path in registry.asked)
    before = len(registry.asked)
    assert clusterimages.provide(replace(wanted, digest=digest), registry=registry.host) == name
    assert len(registry.asked) == before, "a pulled image was asked for again"
    registry.server.shutdown()


def test_where_none_answers_the_image_is_built(wanted: clusterimages.Image) -> None:
    host = "127.0.0.1:9"  # the discard port: nobody listens
    assert not registries.answers(host)
    name = clusterimages.provide(wanted, registry=host)
    assert engine.client().images.get(name).labels[clusterimages.RECIPE_LABEL]


def test_a_registry_that_lacks_the_image_is_passed_over(wanted: clusterimages.Image) -> None:
    registry = Registry({})
    name = clusterimages.provide(wanted, registry=registry.host)
    assert registry.asked
    assert engine.client().images.get(name).labels[clusterimages.RECIPE_LABEL]
    registry.server.shutdown()


@pytest.fixture
def two_images() -> Iterator[list[str]]:
    """Two images with nothing in them but a name."""
    client = engine.client()
    names = [f"thrown-away-{secrets.token_hex(4)}:{one}" for one in ("first", "second")]
    for name in names:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        repository, _, tag = name.partition(":")
        client.api.import_image_from_data(packed.getvalue(), repository=repository, tag=tag)
    yield names
    for name in names:
        client.images.remove(name, force=True)


def test_an_archive_goes_when_there_is_a_newer_one_unless_a_node_has_it_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_images: list[str]
) -> None:
    monkeypatch.setattr(clusterimages, "ARCHIVES", tmp_path)
    first, second = two_images
    forgotten = clusterimages.archive("images", [first])
    kept = clusterimages.archive("images", [second])
    assert not forgotten.exists()
    node = engine.client().containers.create(
        first, "none", volumes={str(kept): {"bind": "/images.tar", "mode": "ro"}}
    )
    try:
        newest = clusterimages.archive("images", [first])
        assert kept.is_file()
        assert newest.is_file()
    finally:
        node.remove()
