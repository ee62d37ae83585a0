"""localaws by itself: installed alone, it runs its README's example in an empty folder as written."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound
from localaws.settings import complete

from pipeline.core import tools
from pipeline.core.paths import LOCAL, ROOT
from pipeline.images import catalogue
from pipeline.terraform import cli

pytestmark = pytest.mark.engine

DISTRIBUTION = ROOT / "localaws"
#: The image of the example; where no registry serves it, the repository's own of the same contract has its name.
IMAGE = "python:3.11-slim"
#: Ports that no other test uses.
PORTS = {
    f"LOCALAWS_{name}_PORT": str(port)
    for port, name in enumerate(("API", "API_TLS", "HTTP", "HTTPS", "DATABASE"), 29470)
}


def block(language: str, after: str) -> str:
    """The first code block of a language after a heading of the README."""
    text = (DISTRIBUTION / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text[text.index(f"## {after}") :], re.S)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python environment with localaws alone, as pip installs it."""
    venv = tmp_path_factory.mktemp("installed")
    uv = shutil.which("uv") or LOCAL / "uv" / "bin" / "uv"
    constraints = ROOT / "requirements" / "localaws.txt"
    for argv in (
        [uv, "venv", "--allow-existing", "--python", sys.executable, venv],
        [uv, "pip", "install", "--python", venv, "--constraint", constraints, DISTRIBUTION],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return venv


@pytest.fixture(scope="module")
def image() -> Iterator[None]:
    client = docker.from_env()
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        client.images.get(catalogue.provide("python")).tag(IMAGE)
        yield
        client.images.remove(IMAGE)
    else:
        yield


@pytest.mark.usefixtures("image")
def test_the_example_runs_as_written(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(block("hcl", "What does a service"), encoding="utf-8")
    terraform = tools.tool("terraform")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= PORTS | {"TF_CLI_ARGS": "-no-color"}
    environ["PATH"] = f"{environment / 'bin'}:{terraform.parent}:{environ['PATH']}"
    configuration = cli.configuration(os.environ)
    if configuration:
        environ["TF_CLI_CONFIG_FILE"] = str(configuration)
    run = ["sh", "-euxc", block("sh", "What does a service")]
    try:
        done = subprocess.run(
            run, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
    finally:
        subprocess.run(
            [environment / "bin" / "localaws", "down", "--purge"],
            cwd=tmp_path,
            env=environ,
            check=True,
        )
    assert "Directory listing for /" in done.stdout
    assert "No changes. Your infrastructure matches the configuration." in done.stdout
    assert not (tmp_path / ".localaws").exists()
    labels = complete({"state": tmp_path / ".localaws"}).labels
    mine: dict[str, str | list[str] | bool] = {
        "label": [f"{name}={value}" for name, value in labels.items()]
    }
    client = docker.from_env()
    left = [*client.containers.list(all=True, filters=mine), *client.networks.list(filters=mine)]
    assert left == []
