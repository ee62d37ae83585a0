"""Repositories whose commits decide what runs, from one environment to three with conditions."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.argocd import git_server
from pipeline.attestations import admission
from pipeline.commands import rollback
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.targets import kubernetes
from tests.releases.repository import REST, TEXT, desired, rule, run


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clone and its origin, to be copied: Git alone would start eight times for each test."""
    parent = tmp_path_factory.mktemp("first")
    bare, folder = parent / "github.git", parent / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
    subprocess.run(["git", "clone", "-q", bare, folder], check=True, capture_output=True)
    run(folder, "checkout", "-q", "-b", "main")
    (folder / "environments").mkdir()
    (folder / "environments" / "staging.yaml").write_text(TEXT, encoding="utf-8")
    run(folder, "add", ".")
    run(folder, "commit", "-q", "-m", "Start")
    run(folder, "push", "-q", "origin", "main")
    return parent


@pytest.fixture
def clone(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose origin is a bare repository with one commit on main; its images are all signed."""
    monkeypatch.setattr(admission, "require_here", lambda *_: None)
    monkeypatch.setattr(admission, "lacks_here", lambda *_: [])
    for name in ("github.git", "clone"):
        shutil.copytree(first / name, tmp_path / name, symlinks=True)
    config = tmp_path / "clone" / ".git" / "config"
    text = config.read_text(encoding="utf-8")
    assert str(first) in text
    config.write_text(text.replace(str(first), str(tmp_path)), encoding="utf-8")
    return tmp_path / "clone"


@pytest.fixture
def back(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str | None, int]]:
    """Rolls staging back as a workflow does; returns the digest and the replicas that Git then names."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    monkeypatch.setattr(kubernetes, "desired", lambda *_: desired(clone))

    def roll(revision: str | None = None, **settings: Any) -> tuple[str | None, int]:
        rollback.run("staging", revision, **settings)
        content = releases.commits(desired(clone).tip(), "staging", root=clone)[0].content
        return content["image"]["digest"], content["replicaCount"]

    return roll


@pytest.fixture
def production(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone with a production that runs promoted revisions, and a qa that follows main."""
    run(clone, "checkout", "-q", "--detach", "origin/main")
    for name, line in (("production", "revision: null # of chart and HCL\n"), ("qa", "")):
        file = clone / "environments" / f"{name}.yaml"
        text = TEXT.replace("staging", name).replace("replica", f"{line}replica")
        file.write_text(f"{text}{REST}", encoding="utf-8")
    run(clone, "add", ".")
    run(clone, "commit", "-q", "-m", "Add production and qa")
    run(clone, "push", "-q", "origin", "HEAD:main")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(kubernetes, "desired", lambda *_: desired(clone))
    monkeypatch.setattr(git_server, "desired", lambda: desired(clone))
    monkeypatch.setattr(git_server, "BARE", clone.parent / "github.git")
    monkeypatch.setattr(kubernetes, "released", lambda *_: "")
    monkeypatch.setattr(environments, "load", lambda name: environments.read(file_of(name)))

    def file_of(name: str) -> Path:
        return clone / "environments" / f"{name}.yaml"

    file_of("staging").write_text(
        f"{TEXT}{REST}",
        encoding="utf-8",
    )
    return clone


@pytest.fixture
def gated(production: Path) -> Path:
    """The same, with a production that takes what is verified in staging and has soaked there."""
    return rule(production, "{from: staging, verified: true, soak: 1h}")
