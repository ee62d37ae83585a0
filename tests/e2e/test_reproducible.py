"""The same commit gives the same image on another machine: other engine, cache and bases, other surroundings."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from pipeline.core.waiting import wait
from tests.e2e.checkout import TASK_SECONDS, Checkout

pytestmark = [
    pytest.mark.engine,
    pytest.mark.long,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("ip"),
        reason="a second engine and another host name want root",
    ),
]

START_SECONDS = 60
#: The second engine's own bridge, of addresses for documentation (RFC 5737). With `--bridge=none` it would take the
#: first engine's, docker0, off the machine.
BRIDGE, ADDRESS = "test-second", "192.0.2.1/24"
#: What may differ between two machines and must not show in an image.
OTHER = {"TZ": "Asia/Tokyo", "LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": ""}


@dataclass(frozen=True)
class Machine:
    """A folder that stands in for a machine: its home and its Docker engine."""

    folder: Path

    @property
    def socket(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def build(self, checkout: Checkout) -> str:
        """The id of the image that a clone of the checkout gives."""
        clone = self.folder / "a clone"
        subprocess.run(["git", "clone", "-q", checkout.folder, clone], check=True)
        done = subprocess.run(
            ["unshare", "--uts", "sh", "-c", "hostname another-machine && exec ./inv build"],
            cwd=clone,
            env={
                **checkout.environ(),
                **OTHER,
                "HOME": str(self.folder / "home"),
                "DOCKER_HOST": self.socket,
            },
            umask=0o077,
            capture_output=True,
            text=True,
            timeout=TASK_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return image(docker.DockerClient(self.socket), done.stdout)


@pytest.fixture
def another_machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine whose engine and cache are empty."""
    machine = Machine(tmp_path)
    (tmp_path / "home").mkdir()
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    options = [f"--{name}={tmp_path / place}" for name, place in places.items()]
    options += [f"--bridge={BRIDGE}", "--iptables=false", "--ip6tables=false"]
    for arguments in (
        ("link", "add", BRIDGE, "type", "bridge"),
        ("addr", "add", ADDRESS, "dev", BRIDGE),
    ):
        subprocess.run(["ip", *arguments], check=True)
    with (tmp_path / "dockerd.log").open("wb") as log:
        engine = subprocess.Popen(
            ["dockerd", f"--host={machine.socket}", *options], stdout=log, stderr=log
        )
    try:
        assert wait(lambda: answers(machine), timeout=START_SECONDS, interval=0.2), (
            tmp_path / "dockerd.log"
        ).read_text(encoding="utf-8")
        yield machine
    finally:
        engine.terminate()
        engine.wait(START_SECONDS)
        subprocess.run(["ip", "link", "delete", BRIDGE], check=True)


def answers(machine: Machine) -> bool:
    try:
        return docker.DockerClient(machine.socket).ping()
    except DockerException:
        return False


def image(engine: docker.DockerClient, printed: str) -> str:
    """The id of the image that ``./inv build`` names in its last line."""
    (tag,) = re.findall(r"^(\S+), [\d.]+ MB$", printed, re.M)
    return str(engine.images.get(tag).id)


def test_the_same_commit_gives_the_same_image(checkout: Checkout, another_machine: Machine) -> None:
    here = image(docker.from_env(), checkout.inv("build").stdout)
    assert another_machine.build(checkout) == here
