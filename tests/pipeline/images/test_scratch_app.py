"""The Dockerfile with another application: packages with C extensions work, and the same input gives the same image."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.paths import ROOT
from pipeline.images import app, build, catalogue
from pipeline.images import docker as engine

pytestmark = pytest.mark.engine

CREATED = "2026-01-02T03:04:05Z"
NATIVE = Path(__file__).parent / "native"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with our Dockerfile and an application of its own."""
    folder = tmp_path_factory.mktemp("context")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "server", folder / "server")
    shutil.copytree(NATIVE, folder / "app")
    return folder


@pytest.fixture
def tag() -> Iterator[str]:
    """A name that is gone with its image afterwards."""
    name = f"scratch-app:{secrets.token_hex(4)}"
    yield name
    engine.client().images.remove(name, force=True)


def built(context: Path, tag: str, *, no_cache: bool = False) -> str:
    """The id of the image."""
    bases = {argument: catalogue.provide(name) for argument, name in app.BASES.items()}
    return build.build(context, (tag,), CREATED, bases, no_cache=no_cache)


def test_packages_that_load_libraries_at_run_time_work(context: Path, tag: str) -> None:
    built(context, tag)
    output = engine.client().containers.run(
        tag,
        ["python", "check.py"],
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        remove=True,
        tmpfs={"/tmp": "", "/data": ""},  # noqa: S108 - in the container; else volumes that stay
        labels=dict(engine.LABELS),
    )
    assert output == b"5 7\n"


def test_the_same_input_gives_the_same_image(context: Path, tag: str) -> None:
    first = built(context, tag)
    assert built(context, tag, no_cache=True) == first
    assert engine.client().images.get(tag).attrs["Created"] == CREATED


def test_a_change_of_the_code_alone_installs_no_packages(context: Path, tag: str) -> None:
    before = engine.client().images.get(built(context, tag)).attrs["RootFS"]["Layers"]
    (context / "app" / "check.py").write_text("print('changed')\n", encoding="utf-8")
    after = engine.client().images.get(built(context, tag)).attrs["RootFS"]["Layers"]
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
