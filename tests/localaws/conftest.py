"""One local AWS for the tests, beside the one that the user may have running: own ports, state, network and label."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import docker
import pytest

from pipeline.aws import localaws
from pipeline.core import ports, tools
from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL, LOGS, TERRAFORM
from pipeline.git import repository as git
from pipeline.images import catalogue
from pipeline.releases.desired import Desired
from pipeline.terraform import cli

T = TypeVar("T")

PORT_STEP = 2000
IMAGE = Path(__file__).parent / "image"
REPOSITORY = "server"
WAIT_SECONDS = 120


def until(probe: Callable[[], T], what: str, seconds: float = WAIT_SECONDS) -> T:
    """What the probe returns, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return found


@pytest.fixture
def desired(tmp_path: Path) -> Desired:
    """The desired state of a repository with one commit: this one may be at no branch, as GitHub checks it out."""
    root = tmp_path / "desired"
    git.run("init", "--quiet", "--initial-branch=main", root, root=tmp_path)
    git.run("commit", "--quiet", "--allow-empty", "--message=First", root=root, env=git.IDENTITY)
    return Desired(str(root), "main", root=root)


@dataclass(frozen=True)
class World:
    """What the tests share: the server's image under its name in ECR, and a network."""

    image: str
    vpc: str
    subnets: list[str]

    def client(self, service: str) -> Any:
        """A boto3 client of the local AWS, made as any program would be led there."""
        environ = localaws.process_environment()
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            region_name=environ["AWS_REGION"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        )


@pytest.fixture(scope="session")
def label() -> str:
    """The label's value of everything that the tests start."""
    return f"{CHECKOUT_ID}-localaws-tests"


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory, label: str) -> Iterator[Path]:
    """The client, led away from the user's own local AWS for the session; the state's folder."""
    state = Path(tmp_path_factory.mktemp("aws"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localaws, "STATE", state)
        patch.setattr(localaws, "OWNER", label)
        patch.setattr(localaws, "NETWORK", f"delivery-{label}")
        patch.setattr(localaws, "LOGS", LOGS / "localaws-tests")
        for name in ("AWS_API", "AWS_API_TLS", "BALANCER_HTTP", "BALANCER_HTTPS", "RDS_BASE"):
            patch.setattr(ports, name, getattr(ports, name) + PORT_STEP)
        yield state


@pytest.fixture(scope="session")
def running(scratch: Path, label: str) -> Iterator[None]:
    """The local AWS itself; nothing of it is left at the end."""
    catalogue.provide("postgres")
    localaws.start()
    prefix = f"{localaws.registry()}/"
    yield
    localaws.stop(purge=True)
    assert not localaws.running()
    images = docker.from_env().images.list()
    names = [name for image in images for name in (*image.tags, *image.attrs["RepoDigests"])]
    assert [name for name in names if name.startswith(prefix)] == []
    assert not scratch.exists()
    mine: dict[str, str | list[str] | bool] = {"label": f"{CHECKOUT_LABEL}={label}"}
    client = docker.from_env()
    assert client.containers.list(all=True, filters=mine) == []
    assert client.volumes.list(filters=mine) == []
    assert client.networks.list(filters=mine) == []


@pytest.fixture
def terraform(running: None, tmp_path: Path) -> Callable[..., str]:
    """Terraform's output for a command, in the test's folder, which gets its configuration before the first one."""
    shutil.copy(TERRAFORM / ".terraform.lock.hcl", tmp_path)
    environ = cli.environment(localaws.process_environment(), tmp_path / "data")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [tools.tool("terraform"), *arguments, "-no-color"],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def world(running: None) -> World:
    """The server's image in the local ECR, and a network for its tasks."""
    empty = World("", "", [])
    ecr, ec2 = empty.client("ecr"), empty.client("ec2")
    ecr.create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
    image = f"{localaws.registry()}/{REPOSITORY}:1"
    client = docker.from_env()
    base = catalogue.provide("python")
    client.images.build(path=str(IMAGE), tag=image, buildargs={"BASE": base}, rm=True)
    try:
        docker_push(image)
    finally:
        client.images.remove(image, force=True)
    digest = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"][0]["imageDigest"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"]
        for number in (1, 2)
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    name = f"{localaws.ACCOUNT}.dkr.ecr.{localaws.REGION}.amazonaws.com/{REPOSITORY}@{digest}"
    return World(name, vpc, subnets)


def docker_push(image: str) -> None:
    """Pushes with the client that a user has."""
    done = subprocess.run(
        ["docker", "push", "--quiet", image],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
