"""Archives of the cluster's images: one for a content, kept while a node has it mounted."""

import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.images import docker as engine
from pipeline.kubernetes import images as clusterimages

pytestmark = pytest.mark.engine


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
