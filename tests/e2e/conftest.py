"""One deployed system a session: it takes minutes to make, and the tests share it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.kubernetes.cluster import LOCAL_CONTEXT, Cluster
from tests.e2e import checkout as scratch
from tests.e2e.checkout import Checkout
from tests.e2e.kube import OnKubernetes


@dataclass(frozen=True)
class Deployed:
    """A clone whose application is deployed to ECS, with what ``./inv deploy`` printed and its URL."""

    checkout: Checkout
    output: str
    url: str


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A scratch clone; whatever it started is removed at the end."""
    clone = scratch.make(Path(tmp_path_factory.mktemp("clone")) / "clone")
    yield clone
    clone.inv("down")
    assert scratch.containers(clone) == []
    assert clone.status() == {"ecs": None, "kubernetes": None, "compose": None}


@pytest.fixture(scope="session")
def deployed(checkout: Checkout) -> Deployed:
    """The clone after ``./inv deploy``."""
    output = checkout.inv("deploy").stdout
    return Deployed(checkout, output, output.strip().splitlines()[-1].split()[-1])


@pytest.fixture(scope="session")
def kubernetes(deployed: Deployed) -> OnKubernetes:
    """The clone, which runs on ECS already, on Kubernetes as well."""
    checkout = deployed.checkout
    output = checkout.inv("deploy", "--to", "kubernetes").stdout
    kubeconfig = checkout.folder / ".local" / "cluster" / "kubeconfig"
    url = output.strip().splitlines()[-1].split()[-1]
    return OnKubernetes(checkout, Cluster(LOCAL_CONTEXT, kubeconfig, local=True), url)
