"""The command ``localaws``: its options, what it prints, and how it refuses."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from localaws.settings import complete, recorded

from localaws import processes
from pipeline.core.tools import python_environment
from tests.localaws.conftest import until

SOURCES = Path(__file__).parents[2] / "localaws" / "src"
#: Ports that no other test uses.
PORTS = {
    f"LOCALAWS_{name}_PORT": str(port)
    for port, name in enumerate(("API", "API_TLS", "HTTP", "HTTPS", "DATABASE"), 29460)
}


def localaws(
    folder: Path, *arguments: str, code: int = 0, variables: Mapping[str, str] = PORTS
) -> subprocess.CompletedProcess[str]:
    """Runs the command in a folder, with these variables alone."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "localaws", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def test_the_defaults_depend_on_the_folder(tmp_path: Path) -> None:
    status = json.loads(localaws(tmp_path, "status", "--json", variables={}).stdout)
    assert status["state"] == str(tmp_path / ".localaws")
    assert status["logs"] == str(tmp_path / ".localaws" / "logs")
    assert status["api"] == "http://127.0.0.1:4566"
    assert not status["running"]
    assert not (tmp_path / ".localaws").exists()
    names = {complete({"state": tmp_path / name}).owner for name in ("a", "b")}
    assert len(names) == 2


def test_options_win_over_variables_and_those_over_what_was_started(tmp_path: Path) -> None:
    started = complete(
        {"state": tmp_path / ".localaws", "api_port": 1, "http_port": 1, "region": "eu-west-3"}
    )
    started.state.mkdir()
    started.write("fingerprint")
    arguments = ("status", "--json", "--api-port=3")
    variables = {"LOCALAWS_API_PORT": "2", "LOCALAWS_HTTP_PORT": "2"}
    status = localaws(tmp_path, *arguments, variables=variables).stdout
    assert json.loads(status)["api"].endswith(":3")
    assert json.loads(status)["http"].endswith(":2")
    assert "AWS_REGION=eu-west-3" in localaws(tmp_path, "env").stdout


def test_settings_survive_the_way_to_the_server(tmp_path: Path) -> None:
    chosen = complete({"state": tmp_path, "cpu_quota": True, "auth": False, "owner": "me"})
    chosen.write("fingerprint")
    assert complete(recorded(tmp_path)) == chosen


def test_a_shell_is_led_there(tmp_path: Path) -> None:
    script = 'eval "$("$0" -m localaws env --http-port 9000)"; env'
    own = {"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_S3": "https://elsewhere", "NO_PROXY": "a b"}
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **own}
    done = subprocess.run(
        ["sh", "-euc", script, sys.executable],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith(("AWS_PROFILE", "AWS_ENDPOINT_URL_S3"))]
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:4566" in lines
    assert "LOCALAWS_URL=http://localhost:9000" in lines
    assert "NO_PROXY=a b,127.0.0.1,localhost" in lines


def test_https_leads_to_the_api_over_tls_with_its_authority(tmp_path: Path) -> None:
    document = json.loads(localaws(tmp_path, "env", "--https", "--json", variables={}).stdout)
    assert document["set"]["AWS_ENDPOINT_URL"] == "https://127.0.0.1:4568"
    assert document["set"]["AWS_CA_BUNDLE"] == str(tmp_path / ".localaws" / "web-ca.pem")
    assert "AWS_CA_BUNDLE" not in document["unset"]


def test_without_docker_up_says_so_in_one_line(tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/none.sock"
    refused = localaws(tmp_path, "up", code=1, variables=PORTS | {"DOCKER_HOST": nowhere})
    assert refused.stderr == (
        "localaws: the Docker engine does not answer; start Docker, or set DOCKER_HOST\n"
    )
    stopped = localaws(tmp_path, "down", "--purge", variables=PORTS | {"DOCKER_HOST": nowhere})
    assert "nothing was removed from it" in stopped.stderr
    assert not (tmp_path / ".localaws").exists()


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        variables = PORTS | {"LOCALAWS_API_TLS_PORT": str(port)}
        refused = localaws(tmp_path, "up", code=1, variables=variables)
    assert refused.stderr.startswith(f"localaws: port {port} is taken by ")
    assert f"(pid {os.getpid()})" in refused.stderr
    assert refused.stderr.endswith("--api-tls-port\n")


def test_the_state_of_another_owner_is_left_alone(tmp_path: Path) -> None:
    complete({"state": tmp_path / ".localaws", "owner": "first"}).state.mkdir()
    complete({"state": tmp_path / ".localaws", "owner": "first"}).write("fingerprint")
    refused = localaws(tmp_path, "up", "--owner=second", code=1)
    assert "belongs to the owner first, not second" in refused.stderr
    assert recorded(tmp_path / ".localaws")["owner"] == "first"


def test_a_change_of_a_setting_is_one_of_the_fingerprint(tmp_path: Path) -> None:
    fingerprint = processes.fingerprint(complete({"state": tmp_path}))
    assert fingerprint == processes.fingerprint(complete({"state": tmp_path}))
    assert fingerprint != processes.fingerprint(complete({"state": tmp_path, "auth": True}))


@pytest.mark.engine
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **PORTS}
    python = python_environment("localaws") / "bin" / "python"
    child = subprocess.Popen(
        # A shell's background job ignores SIGINT, and so would all that it starts.
        ["env", "--default-signal=INT", python, "-m", "localaws", "up"],
        cwd=tmp_path,
        env=environ,
    )
    settings = complete({"state": tmp_path / ".localaws"})
    ports = complete({name[9:].lower(): number for name, number in PORTS.items()})
    pid_file = settings.state / "run" / "localaws.pid"
    until(pid_file.exists, "a server")
    child.send_signal(number)
    assert child.wait(60) == 130
    assert processes.pid(settings) is None
    processes.require_ports(ports)
    localaws(tmp_path, "down", "--purge")
