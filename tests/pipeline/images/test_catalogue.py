"""Images of others are pulled by digest where a registry answers and made where none does, image by image."""

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from pipeline.core.paths import ROOT
from pipeline.images import app, catalogue, registries
from pipeline.images import docker as engine


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
def image(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Makes the pause image one of a name of this test's, of a digest, which a registry at an address should have."""
    reference = f"registry.k8s.io/test-{secrets.token_hex(4)}:1"
    entry = replace(catalogue.catalogue()["pause"], reference=reference)

    def put(host: str, digest: str) -> str:
        monkeypatch.setitem(catalogue.catalogue(), "pause", replace(entry, digest=digest))
        source = f"{host}/test@{digest}"
        monkeypatch.setattr(catalogue, "sources", lambda _: [source])
        return entry.local_name

    yield put
    with contextlib.suppress(docker.errors.ImageNotFound):
        engine.client().images.remove(entry.local_name, force=True)


@pytest.mark.engine
def test_where_a_registry_answers_the_image_is_pulled_by_digest(
    image: Callable[[str, str], str],
) -> None:
    digest, blobs = one_layer_image()
    registry = Registry(blobs)
    name = image(registry.host, digest)
    assert catalogue.provide("pause") == name
    labels = engine.client().images.get(name).labels
    assert "made" in labels
    assert catalogue.recipe(name) is None
    assert any(path.endswith(digest) for path in registry.asked)
    before = len(registry.asked)
    assert catalogue.provide("pause") == name
    assert len(registry.asked) == before, "a pulled image was asked for again"
    registry.server.shutdown()


@pytest.mark.engine
def test_where_none_answers_the_image_is_made(image: Callable[[str, str], str]) -> None:
    host = "127.0.0.1:9"  # the discard port: nobody listens
    assert not registries.answers(host)
    name = image(host, catalogue.catalogue()["pause"].digest)
    assert catalogue.provide("pause") == name
    assert catalogue.recipe(name)


@pytest.mark.engine
def test_a_made_image_whose_name_another_checkout_took_gets_it_back_unbuilt(
    image: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = image("127.0.0.1:9", catalogue.catalogue()["pause"].digest)
    catalogue.provide("pause")
    made = engine.client().images.get(name).id
    # An image on top of it, as the application's is: with the labels of its base.
    container = engine.client().containers.create(name, "none")
    child = container.commit(*name.rsplit(":", 1))
    container.remove()
    assert engine.client().images.get(name).id != made
    monkeypatch.setattr("pipeline.core.process.run", lambda *_, **__: pytest.fail("it is built"))
    catalogue.provide("pause")
    assert engine.client().images.get(name).id == made
    engine.client().images.remove(str(child.id))


@pytest.mark.engine
def test_the_build_is_named_again_where_another_checkout_took_its_name(
    image: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clones of one commit give their images one name."""
    image("127.0.0.1:9", catalogue.catalogue()["pause"].digest)
    ours = engine.client().images.get(catalogue.provide("pause"))
    name = f"test-{secrets.token_hex(4)}:{app.version().version}"
    container = engine.client().containers.create(str(ours.id), "none")
    theirs = container.commit(*name.rsplit(":", 1))
    container.remove()
    record = app.Record(name, str(ours.id), app.version().version, "", "", 1, 1, "", True)
    monkeypatch.setattr(app, "load", lambda: record)
    try:
        app.current()
        assert engine.client().images.get(name).id == ours.id
    finally:
        engine.client().images.remove(name)
        engine.client().images.remove(str(theirs.id))


@pytest.mark.engine
def test_a_registry_that_lacks_the_image_is_passed_over(image: Callable[[str, str], str]) -> None:
    registry = Registry({})
    name = image(registry.host, catalogue.catalogue()["pause"].digest)
    assert catalogue.provide("pause") == name
    assert registry.asked
    assert catalogue.recipe(name)
    registry.server.shutdown()


def test_official_images_are_looked_for_where_the_user_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python, kind = (catalogue.catalogue()[name] for name in ("python", "kind"))
    monkeypatch.delenv("BASE_REGISTRY", raising=False)
    assert catalogue.sources(python) == [
        f"docker.io/library/python@{python.digest}",
        f"public.ecr.aws/docker/library/python@{python.digest}",
    ]
    monkeypatch.setenv("BASE_REGISTRY", "mirror.example.org/hub/")
    assert catalogue.sources(python) == [f"mirror.example.org/hub/python@{python.digest}"]
    assert catalogue.sources(kind) == [f"docker.io/kindest/node@{kind.digest}"]


def test_only_argo_s_images_are_pulled_by_their_tags() -> None:
    entries = catalogue.catalogue()
    by_tag = {name for name, entry in entries.items() if not entry.digest}
    assert by_tag == {"argocd", "rollouts"}
    for name in by_tag:
        assert catalogue.sources(entries[name]) == [entries[name].reference]


def test_the_dockerfile_by_itself_has_the_bases_of_the_catalogue() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", dockerfile, re.MULTILINE))
    entries = {argument: catalogue.catalogue()[name] for argument, name in app.BASES.items()}
    assert defaults == {
        argument: f"{entry.reference}@{entry.digest}" for argument, entry in entries.items()
    }


WITH_REGISTRY = """
import importlib
import pkgutil
import sys
import docker.errors
import pipeline.commands
from pipeline.images import catalogue, docker as engine, registries

for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
    importlib.import_module(module.name)

class Image:
    def tag(self, repository, tag): pass

class Images:
    pulled = []
    def get(self, name):
        if name not in self.pulled:
            raise docker.errors.ImageNotFound(name)
        return Image()
    def pull(self, name):
        self.pulled.append(name)

class Client:
    images = Images()

engine._connect = Client
engine.require_space = lambda: None
registries.answers = lambda _: True
for name in catalogue.catalogue():
    catalogue.provide(name)
assert len(Images.pulled) == len(catalogue.catalogue())
print([name for name in sys.modules if name.partition(".")[0] == "offline"])
"""


def test_with_an_engine_and_a_registry_nothing_offline_is_imported(tmp_path: Path) -> None:
    """In a process of its own, on an engine that has nothing and a registry that has all images."""
    script = tmp_path / "script.py"
    script.write_text(WITH_REGISTRY, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
