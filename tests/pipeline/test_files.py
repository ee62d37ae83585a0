"""Files are replaced whole, and private ones are private from the first byte on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from localaws.settings import recorded

from pipeline.attestations import statements
from pipeline.core import cache, console, files
from pipeline.core.errors import PipelineError
from pipeline.github import figures
from pipeline.images import app
from pipeline.releases import environments
from pipeline.scanners import sbom
from pipeline.terraform import roots
from pipeline.terraform import run as terraform


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    secret = tmp_path / "made" / "key.json"
    files.write(secret, "{}", mode=files.PRIVATE)
    assert secret.stat().st_mode & 0o777 == 0o600
    public = tmp_path / "page.md"
    files.write(public, "x")
    (tmp_path / "plain").touch()
    assert public.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    files.write(record, '{"a": 1}')

    def full(_: Path, __: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        files.write(record, '{"a": 2}', mode=files.PRIVATE)
    assert files.read_json(record, {"a"}) == {"a": 1}
    assert list(tmp_path.iterdir()) == [record]


BROKEN = ("", "''", "{", "[]", "null", "{}", '{"key": "a"', '{"x": "another"}', "\xff")


@pytest.mark.parametrize("content", [None, *BROKEN])
def test_what_is_no_whole_json_object_reads_as_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    assert files.read_json(file, {"key"}) is None
    assert "key" not in recorded(tmp_path)


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize(
    "memory",
    ["build", "bill", "duration", "figures", "pass", "plan", "local environment", "scan"],
)
def test_no_memory_outlives_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str, content: str
) -> None:
    root = roots.Root("local", tmp_path, "bucket", "us-east-1", {}, {})
    monkeypatch.setattr(roots, "LOCAL", tmp_path)
    monkeypatch.setattr(console, "DURATIONS", tmp_path / "x.json")
    monkeypatch.setattr(app, "BUILD_RECORD", tmp_path / "x.json")
    monkeypatch.setattr(environments, "MEMORY", tmp_path / "x.json")
    place = root.home / "saved.json" if memory == "plan" else tmp_path / "x.json"
    files.write(place, content.encode("latin-1"))
    if memory == "plan":
        (root.home / "plan.tfplan").touch()
        with pytest.raises(PipelineError, match="there is no plan for local"):
            terraform.saved_plan(root)
        return
    monkeypatch.setattr(sbom, "FILE", "x.json")
    monkeypatch.setattr(statements, "SCAN_FILE", "x.json")
    memories: dict[str, Callable[[], object]] = {
        "bill": lambda: sbom.find("x", tmp_path),
        "build": app.load,
        "duration": lambda: console._durations().get("x"),
        "figures": lambda: figures.before("x", "size", folder=tmp_path),
        "pass": lambda: cache.passed("x", "a", tmp_path),
        "local environment": lambda: environments.resolved("local").digest,
        "scan": lambda: statements.find_scan("x", tmp_path),
    }
    assert memories[memory]() is None
