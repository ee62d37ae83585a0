"""Where kind is installed and its node image can be pulled the cluster is kind's; where not, it is our own.

The last test makes a real cluster with the real kind. What stands in for the registry's image is described in
``kind/standin.py``.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import docker
import httpx
import pytest

from offline import programs
from pipeline.core import ports
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CLUSTER, ROOT
from pipeline.images import catalogue, registries
from pipeline.kubernetes import images as clusterimages
from pipeline.kubernetes import kind, node, privileges
from tests.pipeline.kubernetes.kind import standin

PORT_STEP = 1500
WAIT_SECONDS = 90


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what there is: kind, capabilities that the engine lacks, a registry that answers, the image itself."""

    def make(*, kind: bool, lacking: tuple[str, ...] = (), answers: bool, has_image: bool) -> None:
        monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}" if kind else None)
        monkeypatch.setattr(privileges, "rootless", lambda: False)
        monkeypatch.setattr(privileges, "missing", lambda: list(lacking))
        monkeypatch.setattr(registries, "answers", lambda _: answers)
        monkeypatch.setattr(catalogue, "_present", lambda _: None)
        monkeypatch.setattr(catalogue, "pull", lambda _: "name@digest" if has_image else None)
        monkeypatch.setattr(node, "find", lambda: (node.OWN, None))
        monkeypatch.setattr("pipeline.images.docker.running_engine", object)

    return make


def test_kind_whose_registry_answers_makes_the_node(world: Callable[..., None]) -> None:
    world(kind=True, answers=True, has_image=True)
    assert node.choose() is node.KIND
    assert "kind's node when it is made: kind is installed" in node.described()


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ({"kind": False, "answers": True, "has_image": True}, "kind is not on PATH"),
        ({"kind": True, "answers": False, "has_image": False}, "docker.io does not answer"),
        (
            {"kind": True, "answers": True, "has_image": True, "lacking": ("SYS_RESOURCE",)},
            "this Docker engine lacks SYS_RESOURCE",
        ),
    ],
)
def test_without_kind_its_registry_or_a_privilege_the_node_is_our_own(
    world: Callable[..., None], there: dict[str, bool], why: str
) -> None:
    world(**there)
    assert node.choose() is node.OWN
    described = node.described()
    assert described.startswith("our own node when it is made: ")
    assert why in described


def test_a_registry_that_lacks_the_image_leaves_the_node_our_own(
    world: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    world(kind=True, answers=True, has_image=False)
    assert node.choose() is node.OWN
    assert "the node is our own: the image of kind cannot be pulled" in capsys.readouterr().out


def test_kind_is_asked_for_the_kubernetes_that_is_built_otherwise() -> None:
    """The same minor version: kind publishes no image for a later patch."""
    built = programs.recipe()["variables"]["k8s.io/component-base/version.gitVersion"]
    repository, _, version = catalogue.catalogue()["kind"].reference.partition(":")
    assert repository == "docker.io/kindest/node"
    assert version.rpartition(".")[0] == built.rpartition(".")[0]


def test_kinds_node_is_reached_on_loopback_only() -> None:
    configured = kind.configuration([Path("/cache/images.tar")])
    [only] = configured["nodes"]
    assert configured["networking"]["apiServerAddress"] == "127.0.0.1"
    assert {one["listenAddress"] for one in only["extraPortMappings"]} == {"127.0.0.1"}
    assert only["extraMounts"] == [
        {
            "hostPath": "/cache/images.tar",
            "containerPath": "/opt/cluster/images/images.tar",
            "readOnly": True,
        }
    ]


@pytest.fixture
def fake_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a program that is taken for kind belongs."""
    program = tmp_path / "kind"
    monkeypatch.setattr("shutil.which", lambda _: str(program))
    monkeypatch.setattr(catalogue, "pull", lambda _: "name@digest")
    return program


def test_what_kind_says_of_a_failure_is_kept(fake_kind: Path) -> None:
    fake_kind.write_text("#!/bin/sh\necho no room for a cluster\nexit 3\n", encoding="utf-8")
    fake_kind.chmod(0o755)
    with pytest.raises(
        PipelineError, match=r"kind made no cluster: .* no room for a cluster"
    ) as said:
        kind.make("network", [])
    assert "own, built from source" in said.value.next_step
    assert said.value.log is not None
    assert f"--name {CLUSTER} --image name@digest" in said.value.log.read_text(encoding="utf-8")


@pytest.mark.usefixtures("fake_kind")
def test_half_a_cluster_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[dict[str, bool]] = []

    class Half:
        def remove(self, **how: bool) -> None:
            removed.append(how)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    client = SimpleNamespace(containers=SimpleNamespace(get=lambda _: Half()))
    monkeypatch.setattr("pipeline.images.docker.client", lambda: client)
    monkeypatch.setattr("pipeline.core.process.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kind.make("network", [])
    assert removed == [{"force": True, "v": True}]


WITH_KIND = """
import sys
from pipeline.argocd import git_server, install, sync
from pipeline.images import catalogue, registries
from pipeline.kubernetes import cluster, external_database, helm, node, privileges, programs

registries.answers = lambda _: True
catalogue.obtainable = lambda _: True
catalogue.pull = lambda _: "name@digest"
privileges.rootless = lambda: False
privileges.missing = list
assert node.choose() is node.KIND
print(programs.program("kubectl"), programs.program("helm"))
commit = git_server.commit("A commit", host="gateway", digests={})
print(git_server.git("show", f"{commit}:argocd/install/core/kustomization.yaml"))
print([name for name in sys.modules if name.partition(".")[0] == "offline"])
"""


def test_with_kind_its_tools_and_a_registry_nothing_offline_is_imported(tmp_path: Path) -> None:
    for name, version in (("kind", "0.33.0"), ("kubectl", "v1.37.2"), ("helm", "v4.3.1")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", WITH_KIND],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PIPELINE_HOST": str(tmp_path / "host"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *manifest, modules = done.stdout.splitlines()
    assert first == f"{tmp_path / 'kubectl'} {tmp_path / 'helm'}"
    assert any("https://raw.githubusercontent.com/argoproj/argo-cd/" in line for line in manifest)
    assert modules == "[]"


@dataclass(frozen=True)
class Scratch:
    """A checkout of its own for the cluster: its state is in ``folder``, its ports are ``PORT_STEP`` above ours."""

    folder: Path
    image: str
    path: str

    @property
    def cluster(self) -> str:
        """The name of its cluster."""
        return f"kubernetes-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"

    def run(self, function: str, *arguments: str) -> str:
        """What a function of the driver prints."""
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.pipeline.kubernetes.kind.driver",
                self.image,
                function,
                *arguments,
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "CI": "true",
                "PATH": self.path,
                "DOCKER": shutil.which("docker") or "docker",
                "GRANTED": " ".join(privileges.granted() or ()),
                "PIPELINE_HOST": str(self.folder),
                "PORT_OFFSET": str(ports.OFFSET + PORT_STEP),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str) -> str:
        """The output of a kubectl command."""
        kubeconfig = self.folder / ".local" / "cluster" / "kubeconfig"
        argv = [str(programs.program("kubectl")), "--kubeconfig", str(kubeconfig)]
        argv += ["--context", "local", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def left(self) -> list[str]:
        """What Docker has of its cluster."""
        client = docker.from_env()
        containers = client.containers.list(all=True, filters={"name": self.cluster})
        networks = client.networks.list(names=[self.cluster])
        return [*(str(one.name) for one in containers), *(str(one.name) for one in networks)]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """kind on PATH, and its node image in a registry that answers."""
    tools = tmp_path / "tools"
    tools.mkdir()
    standin.installed(standin.KIND, tools)
    if privileges.granted() is not None:
        (tools / "docker").symlink_to(standin.HERE / "docker")
    with standin.registry(tmp_path / "registry", "127.0.0.1") as address:
        image = standin.pushed(f"{address}/kindest/node", tmp_path)
        one = Scratch(tmp_path / "host", image, f"{tools}{os.pathsep}{os.environ['PATH']}")
        try:
            yield one
        finally:
            one.run("cluster_down")
            standin.forget(image)
            shutil.rmtree(tmp_path)  # several GiB, which pytest would keep


def eventually(check: Callable[[], bool], what: str) -> None:
    """Waits until something is so."""
    end = time.monotonic() + WAIT_SECONDS
    while not check():
        assert time.monotonic() < end, f"not within {WAIT_SECONDS} s: {what}"
        time.sleep(0.5)


def answers(url: str) -> bool:
    """Whether a server says yes."""
    try:
        return httpx.get(url, timeout=3).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.engine
@pytest.mark.long
def test_a_real_cluster_of_kind(scratch: Scratch, tmp_path: Path) -> None:
    assert "kind's node when it is made" in scratch.run("described")
    scratch.run("up")
    assert scratch.left() == [f"{scratch.cluster}-control-plane", scratch.cluster]
    shown = scratch.run("status")
    assert f"kind's node ({scratch.cluster}-control-plane)" in shown
    assert "ready" in shown

    # An image under the name of a registry that only the node's own map leads to, and two load balancers.
    content = docker.from_env().images.get(catalogue.provide("python"))
    with standin.registry(tmp_path / "registry", scratch.run("gateway").strip()) as address:
        digest = standin.push(content, f"{scratch.image.partition('/')[0]}/web/python:1")
        scratch.run("up_with_registry", "images.example.org", f"http://{address}")
        image = f"images.example.org/web/python@{digest}"
        serve = ["--", "python", "-m", "http.server", "8080"]
        scratch.kubectl("create", "deployment", "web", f"--image={image}", "--port=8080", *serve)
        for name in ("first", "second"):
            expose = ["--type=LoadBalancer", "--port=80", "--target-port=8080", f"--name={name}"]
            scratch.kubectl("expose", "deployment", "web", *expose)
        scratch.kubectl("rollout", "status", "deployment", "web", f"--timeout={WAIT_SECONDS}s")
    web = f"http://127.0.0.1:{ports.KUBERNETES_WEB + PORT_STEP}"
    eventually(lambda: answers(web), "the first load balancer answers on the loopback")
    field = "-o=jsonpath={.status.loadBalancer.ingress[0].ip}"
    second = scratch.kubectl("get", "service", "second", field)
    eventually(lambda: answers(f"http://{second}"), "the second one answers at its own address")

    inside = docker.from_env().containers.get(f"{scratch.cluster}-control-plane")
    wanted = [
        catalogue.catalogue()[name].reference
        for name in clusterimages.NAMES
        if name not in kind.INCLUDED
    ]

    def imported() -> bool:
        argv = ["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]
        held = inside.exec_run(argv).output
        assert isinstance(held, bytes)
        return set(wanted) <= set(held.decode().split())

    eventually(imported, "the images that need no registry are in the node")

    # The node goes on where it was stopped.
    scratch.run("stop")
    assert not answers(web)
    scratch.run("up")
    eventually(lambda: answers(web), "the load balancer answers again")

    volume = next(one["Name"] for one in inside.attrs["Mounts"] if one["Destination"] == "/var")
    assert "cluster removed" in scratch.run("cluster_down")
    assert scratch.left() == []
    assert volume not in [one.name for one in docker.from_env().volumes.list()]
    assert not (scratch.folder / ".local" / "cluster").exists()

    # What `./inv down` removes is found by labels.
    scratch.run("up")
    assert f"container {scratch.cluster}-control-plane" in scratch.run("remove_ours")
    assert scratch.left() == []
