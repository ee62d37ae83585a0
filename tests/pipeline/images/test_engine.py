"""Docker's engine where none runs: set up, or refused with what to do."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline import engine, provide
from pipeline.core.errors import PipelineError

REASON = "the Docker engine does not answer"


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a program that is taken for dockerd belongs, on a machine without systemd that may start one."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(engine, "_missing_capabilities", lambda _: [])
    monkeypatch.setattr(engine, "SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(engine, "LOG", tmp_path / "dockerd.log")
    monkeypatch.setattr(engine, "CACHE", tmp_path)
    yield tmp_path / "dockerd"
    if (tmp_path / "pid").exists():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def write(dockerd: Path, *lines: str) -> None:
    """Makes a shell script of the program, which runs in the folder of its files."""
    start = ["#!/bin/sh", f"cd {dockerd.parent}"]
    dockerd.write_text("\n".join([*start, *lines, ""]), encoding="utf-8")
    dockerd.chmod(0o755)


def test_the_engine_is_started_and_waited_for(dockerd: Path, tmp_path: Path) -> None:
    write(dockerd, "echo $$ >pid", "touch up", "exec sleep 60")
    provide.docker_engine(REASON, (tmp_path / "up").exists)
    assert (tmp_path / "up").exists()


def test_the_last_error_of_an_engine_that_ends_is_shown(dockerd: Path) -> None:
    write(dockerd, "echo level=info msg=starting", "echo 'failed to mount overlay' >&2", "exit 1")
    with pytest.raises(PipelineError, match="ended at once: failed to mount overlay"):
        provide.docker_engine(REASON, lambda: False)


def test_secrets_of_ours_do_not_reach_the_engine(
    dockerd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-dockerd")
    monkeypatch.setenv("https_proxy", "http://proxy.example.org")
    write(dockerd, "echo $$ >pid", "env >part", "mv part environment", "exec sleep 60")
    provide.docker_engine(REASON, (tmp_path / "environment").exists)
    environment = (tmp_path / "environment").read_text(encoding="utf-8")
    assert "https_proxy=http://proxy.example.org" in environment
    assert "not-for-dockerd" not in environment


def test_an_engine_elsewhere_is_not_replaced(
    dockerd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dockerd, "exit 0")
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine.example.org")
    with pytest.raises(PipelineError, match=r"at DOCKER_HOST=tcp://engine\.example\.org"):
        provide.docker_engine(REASON, lambda: False)


def test_a_user_without_rights_is_shown_the_group(
    dockerd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dockerd, "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PipelineError) as refused:
        provide.docker_engine("this user may not talk to the Docker engine", lambda: False)
    assert "group docker" in refused.value.next_step
    with pytest.raises(PipelineError, match="may not install or start one"):
        provide.docker_engine(REASON, lambda: False)


def test_a_machine_that_withholds_capabilities_is_named(
    dockerd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dockerd, "exit 0")
    monkeypatch.setattr(engine, "_missing_capabilities", lambda _: ["CAP_SYS_ADMIN"])
    with pytest.raises(PipelineError, match="withholds CAP_SYS_ADMIN"):
        provide.docker_engine(REASON, lambda: False)


def test_capabilities_are_read_from_the_bounding_set(tmp_path: Path) -> None:
    status = tmp_path / "status"
    for value, missing in (("000001ffffffffff", []), ("0000000000001000", ["CAP_SYS_ADMIN"])):
        status.write_text(f"Name:\tpython\nCapBnd:\t{value}\n", encoding="ascii")
        assert engine._missing_capabilities(status) == missing
