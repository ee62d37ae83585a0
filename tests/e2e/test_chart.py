"""The chart on a real API server, by plain helm as its README shows, beside what Argo CD runs."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.core import process
from pipeline.core.paths import CHART, ENVIRONMENTS
from pipeline.kubernetes import helm
from pipeline.kubernetes.programs import program
from tests.e2e.kube import NAME, OnKubernetes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

RELEASE = "by-hand"
#: Small enough for five pods beside the rest.
SMALL = ("--set", "resources.requests.cpu=10m", "--set", "resources.requests.memory=64Mi")


@dataclass(frozen=True)
class Helm:
    """helm on the clone's cluster, in a namespace of its own."""

    kubernetes: OnKubernetes

    def __call__(self, *arguments: str) -> str:
        """The output of a helm command; a failure shows what helm said."""
        cluster = self.kubernetes.cluster
        argv = [str(program("helm")), *arguments, "--namespace", RELEASE]
        argv += ["--kubeconfig", str(cluster.kubeconfig), "--kube-context", cluster.context]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=CHART.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def revisions(self) -> list[dict[str, Any]]:
        """The release's history."""
        found: list[dict[str, Any]] = json.loads(self("history", RELEASE, "--output", "json"))
        return found

    def replicas(self) -> int:
        """How many pods of the release are ready."""
        found = self.kubernetes.cluster.get("deployment", f"{RELEASE}-{NAME}", RELEASE)
        return int((found or {}).get("status", {}).get("readyReplicas", 0))


@pytest.fixture
def by_hand(kubernetes: OnKubernetes) -> Iterator[Helm]:
    """A namespace that obeys the strictest standard; removed with all that is in it."""
    kubernetes.kubectl("create", "namespace", RELEASE)
    kubernetes.kubectl("label", "ns", RELEASE, "pod-security.kubernetes.io/enforce=restricted")
    yield Helm(kubernetes)
    kubernetes.kubectl("delete", "namespace", RELEASE, "--timeout=90s")


@pytest.mark.long
def test_install_scale_test_roll_back_and_uninstall(by_hand: Helm, tmp_path: Path) -> None:
    repository, _, digest = by_hand.kubernetes.image().partition("@")
    image = ("--set", f"image.repository={repository}", "--set", f"image.digest={digest}")
    quiet = ("--set", "service.type=ClusterIP", "--wait", "--timeout", "120s")
    by_hand("install", RELEASE, f"./{NAME}", *image, *SMALL, *quiet)
    assert RELEASE in by_hand("list")
    assert by_hand.replicas() == 2
    assert "Succeeded" in by_hand("test", RELEASE)
    by_hand(
        *("upgrade", RELEASE, f"./{NAME}", "--reuse-values", "--set", "replicaCount=5"),
        *("--wait", "--timeout", "120s"),
    )
    assert by_hand.replicas() == 5
    by_hand("rollback", RELEASE, "--wait", "--timeout", "120s")
    eventually(lambda: by_hand.replicas() == 2, 60, "two pods again")
    custom = tmp_path / "custom.yaml"
    custom.write_text("podAnnotations: {example.org/owner: family}\n", encoding="utf-8")
    by_hand(
        *("upgrade", RELEASE, f"./{NAME}", "--reuse-values", "--values", str(custom)),
        *("--wait", "--timeout", "120s"),
    )
    assert len(by_hand.revisions()) == 4
    by_hand("uninstall", RELEASE, "--wait")
    assert RELEASE not in by_hand("list")


@pytest.fixture(scope="module")
def canaries(kubernetes: OnKubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Argo Rollouts' kinds, as Argo CD would install them: on this machine only with a canary of its own."""
    folder = tmp_path_factory.mktemp("rollouts")
    bare = kubernetes.checkout.folder / ".local" / "gitops" / "delivery.git"
    archive = ["git", "-C", str(bare), "archive", "main", "argocd/install"]
    packed = subprocess.run(archive, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    built = process.capture(
        [program("kubectl"), "kustomize", folder / "argocd" / "install" / "rollouts"]
    )
    yaml = YAML(typ="safe")
    kinds = StringIO()
    yaml.dump_all(
        [each for each in yaml.load_all(built) if each["kind"] == "CustomResourceDefinition"], kinds
    )
    cluster, text = kubernetes.cluster, kinds.getvalue()
    cluster.run("apply", "--server-side", "--filename", "-", stdin=text)
    cluster.run("wait", "--for=condition=Established", "--filename", "-", stdin=text)
    yield
    cluster.run("delete", "--filename", "-", stdin=text)


@pytest.mark.usefixtures("canaries")
@pytest.mark.parametrize("environment", sorted(file.stem for file in ENVIRONMENTS.glob("*.yaml")))
def test_the_api_server_accepts_what_each_environment_renders(
    kubernetes: OnKubernetes, environment: str
) -> None:
    digest = f"sha256:{'a' * 64}"
    resources = helm.template(
        *("--values", str(ENVIRONMENTS / f"{environment}.yaml")),
        *("--set", f"image.digest={digest}"),
    )
    stream = StringIO()
    YAML(typ="safe").dump_all(resources, stream)
    said = kubernetes.cluster.run(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename", "-"),
        stdin=stream.getvalue(),
    )
    assert said.count("serverside-applied") == len(resources)
