"""The locks of Python packages are those of their sources, whichever side was edited alone."""

import shutil
import zipfile
from pathlib import Path

import pytest

from pipeline.commands import lock_dependencies
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT

APPLICATION = next(name for name in lock_dependencies.APPLICATION if (ROOT / name).is_file())


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and sources alone, to edit."""
    for target, (sources, _) in lock_dependencies._locks().items():
        for name in (target, *sources):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.setattr(lock_dependencies, "ROOT", tmp_path)
    assert lock_dependencies.stale() == []
    return tmp_path


@pytest.mark.parametrize("source", [*lock_dependencies.LOCKS, APPLICATION])
def test_a_package_that_is_added_to_a_source_alone_is_named(tree: Path, source: str) -> None:
    text = (tree / source).read_text(encoding="utf-8")
    added = 'dependencies = [\n  "left-pad",' if source.endswith(".toml") else "\nleft-pad\n"
    text = text.replace("dependencies = [", added) if "[project]" in text else text + added
    (tree / source).write_text(text, encoding="utf-8")
    findings = lock_dependencies.stale()
    assert findings
    assert all(f"{source} wants left-pad, unlike" in finding for finding in findings)
    assert all(finding.endswith("run ./inv lock-dependencies") for finding in findings)


def test_a_package_that_is_removed_or_wanted_in_another_version_is_named(tree: Path) -> None:
    source = tree / "requirements" / "pipeline.in"
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("rich==15.0.0\n", "rich==15.0.1\n").replace("\npsutil\n", "\n"))
    assert [finding.partition(", unlike")[0] for finding in lock_dependencies.stale()] == [
        "requirements/pipeline.in names no psutil",
        "requirements/pipeline.in wants rich==15.0.1",
    ]


def test_a_source_may_have_hashes_and_packages_of_older_pythons_or_other_systems(
    tree: Path,
) -> None:
    source, lock = tree / "requirements" / "uv.in", tree / "requirements" / "uv.txt"
    pinned = source.read_text(encoding="utf-8").strip() + " \\\r\n    --hash=sha256:aa\r\n"
    older = "tomli; python_version < '3.11' and sys_platform == 'win32'\n"
    source.write_text(f"\ufeff{pinned}{older}", encoding="utf-8")
    assert lock_dependencies.stale() == []
    with source.open("a", encoding="utf-8") as lines:
        lines.write("left-pad<2; python_version < '3.12'\nleft-pad>=2; sys_platform == 'win32'\n")
    assert [finding.partition(", unlike")[0] for finding in lock_dependencies.stale()] == [
        "requirements/uv.in wants left-pad<2 or left-pad>=2"
    ]
    with lock.open("a", encoding="utf-8") as entries:
        for version in ("1.3", "2.1"):
            entries.write(f"left-pad=={version}\n    # via -r requirements/uv.in\n")
    assert lock_dependencies.stale() == []


def test_a_conflict_is_told_whole_in_one_line() -> None:
    output = """error: No solution found when resolving dependencies
  cause: Because flask==3.1.0 depends on werkzeug>=3.1 and you require flask==3.1.0, we
         can conclude that you require werkzeug>=3.1.
         And because you require werkzeug<2, your requirements are unsatisfiable.

hint: Pre-releases are not considered
"""
    reason = lock_dependencies._reason(output.splitlines())
    assert reason.startswith("Because flask==3.1.0 depends on werkzeug>=3.1 and you require")
    assert reason.endswith(
        "And because you require werkzeug<2, your requirements are unsatisfiable"
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels in place of the package index, for the application's lock alone."""
    for name in ("app/requirements.in", "server/requirements.in", "wheels/none"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.setattr(lock_dependencies, "ROOT", tmp_path)
    monkeypatch.setattr(lock_dependencies, "LOCKS", {})
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path


def wheel(folder: Path, name: str, tag: str) -> None:
    with zipfile.ZipFile(folder / "wheels" / f"{name}-1.0-{tag}.whl", "w") as file:
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        file.writestr(f"{name}-1.0.dist-info/METADATA", about)
        file.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")


def test_a_package_with_wheels_for_other_systems_alone_is_refused(index: Path) -> None:
    wheel(index, "driver", "cp311-cp311-win_amd64")
    wheel(index, "ours", "cp311-cp311-manylinux_2_17_x86_64")
    source = index / "app" / "requirements.in"
    source.write_text("ours\ndriver; sys_platform == 'win32'\n", encoding="utf-8")
    lock_dependencies.run(upgrade=False)
    assert "driver==1.0" in (index / "app" / "requirements.txt").read_text(encoding="utf-8")
    source.write_text("ours\ndriver\n", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"driver==1\.0 has no") as refused:
        lock_dependencies.run(upgrade=False)
    assert "a package with wheels for x86_64-manylinux" in refused.value.next_step


@pytest.mark.parametrize(
    ("variables", "next_step"),
    [
        ({}, "change the list"),
        (
            {"UV_NO_INDEX": "0", "UV_DEFAULT_INDEX": "http://127.0.0.1:9/", "UV_HTTP_RETRIES": "0"},
            "see that the package index can be reached, then run it again",
        ),
    ],
)
def test_a_lock_that_failed_says_what_helps(
    index: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], next_step: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (index / "app" / "requirements.in").write_text("nowhere-to-be-had\n", encoding="utf-8")
    with pytest.raises(PipelineError) as refused:
        lock_dependencies.run(upgrade=False)
    assert refused.value.next_step == next_step
