"""How programs are led to the local AWS, and how its start is refused."""

import socket
from pathlib import Path

import pytest

from localaws import versions
from pipeline.aws import localaws
from pipeline.core import ports
from pipeline.core.errors import PipelineError


def test_a_user_s_own_aws_does_not_get_through() -> None:
    own = {
        "PATH": "/bin",
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "t",
        "AWS_CA_BUNDLE": "/ca.pem",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere",
        "AWS_REGION": "eu-west-3",
    }
    led = localaws.process_environment(own)
    assert led["PATH"] == "/bin"
    assert not led.keys() & {
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_CA_BUNDLE",
        "AWS_ENDPOINT_URL_S3",
    }
    assert led["AWS_REGION"] == led["AWS_DEFAULT_REGION"] == localaws.REGION
    assert led["AWS_ACCESS_KEY_ID"] == localaws.ACCOUNT
    assert led["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{ports.AWS_API}"


def test_a_proxy_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet,localhost")
    assert localaws.process_environment()["NO_PROXY"] == "intranet,localhost,127.0.0.1"


def test_another_version_of_an_emulator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "9.9.9")
    with pytest.raises(SystemExit, match=r"extends ministack 1\.5\.33, but 9\.9\.9 is installed"):
        versions.check()


def test_the_pinned_versions_are_the_locked_ones() -> None:
    lock = (Path(__file__).parents[2] / "requirements" / "localaws.txt").read_text(encoding="utf-8")
    assert f"\nministack=={versions.PINNED} \\\n" in lock


@pytest.mark.engine
def test_a_taken_port_is_told_with_its_holder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(ports, "AWS_API", taken.getsockname()[1])
        monkeypatch.setattr(localaws, "STATE", tmp_path)
        with pytest.raises(PipelineError, match=r"is taken by .*\(pid ") as refusal:
            localaws.start()
    assert "--api-port" in refusal.value.next_step


def test_a_missing_engine_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(localaws, "STATE", tmp_path)
    for name in ("AWS_API", "AWS_API_TLS", "BALANCER_HTTP", "BALANCER_HTTPS"):
        monkeypatch.setattr(ports, name, getattr(ports, name) + 3000)
    with pytest.raises(PipelineError, match="the Docker engine does not answer"):
        localaws.start()
