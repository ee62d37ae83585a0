"""What stands in for kind's world where no registry answers: its command line, a registry and a node image.

All come from Go modules and Debian. The node image is made of the programs that the cluster is built from anyway;
kind's own entrypoint and units come from kind's module.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
import httpx
from docker.models.images import Image

from offline import images, node, programs
from pipeline.images import catalogue
from pipeline.images import docker as engine
from pipeline.kubernetes.node import SCRIPTS

HERE = Path(__file__).parent
KIND = "sigs.k8s.io/kind@v0.33.0"
REGISTRY = "github.com/distribution/distribution/v3/cmd/registry@v3.0.0"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PLAIN = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "auto", "GOWORK": "off"}


def installed(package: str, folder: Path) -> Path:
    """A program of a Go module, built into a folder."""
    environment = {**PLAIN, "GOBIN": str(folder)}
    subprocess.run(["nice", "-n", "10", "go", "install", package], env=environment, check=True)
    return folder / package.partition("@")[0].rpartition("/")[2]


@contextmanager
def registry(storage: Path, address: str) -> Iterator[str]:
    """A registry on an address of this machine while the body runs; yields its host and port.

    Several may share one storage.
    """
    with socket.create_server((address, 0)) as probe:
        host = f"{address}:{probe.getsockname()[1]}"
    storage.mkdir(exist_ok=True)
    config = storage / f"{address}.yaml"
    settings = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(storage / "content")}},
        "http": {"addr": host},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    program = installed(REGISTRY, storage)
    with subprocess.Popen(
        [program, "serve", config], env={**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    ) as child:
        try:
            for _ in range(100):
                with contextlib.suppress(httpx.HTTPError):
                    httpx.get(f"http://{host}/v2/", timeout=3)
                    break
                time.sleep(0.1)
            yield host
        finally:
            child.terminate()


def push(image: Image, name: str) -> str:
    """Pushes an image of the engine under a name; the digest that it has in the registry."""
    repository, _, tag = name.rpartition(":")
    image.tag(repository, tag)
    client = docker.from_env()
    said = [json.loads(one) for one in client.images.push(repository, tag).splitlines()]
    client.images.remove(name)
    [digest] = [one["aux"]["Digest"] for one in said if "aux" in one]
    return str(digest)


def pushed(repository: str, folder: Path) -> str:
    """Builds a node image and pushes it; its name by digest. The engine keeps nothing of it."""
    name = f"{repository}:{_version()}"
    node_image(name, folder)
    return f"{repository}@{push(docker.from_env().images.get(name), name)}"


def forget(image: str) -> None:
    """Removes an image that was pulled from the engine, under whatever further names it has."""
    client = docker.from_env()
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.remove(str(client.images.get(image).id), force=True)


def kubeadm(folder: Path) -> Path:
    """kubeadm of the version that the cluster has.

    It is built with a copy of the module's files that may grow: two modules that only kubeadm needs are no business of
    those who never see it.
    """
    for name in ("go.mod", "go.sum"):
        shutil.copy(programs.MODULE / name, folder / f"kubeadm{Path(name).suffix}")
    values = " ".join(
        f"-X {name}={value}" for name, value in programs.recipe()["variables"].items()
    )
    argv = ["nice", "-n", "10", "go", "build", "-mod=mod", "-modfile", str(folder / "kubeadm.mod")]
    argv += [*programs.FLAGS, "-ldflags", f"-s -w {values}", "-o", str(folder / "kubeadm")]
    argv += ["k8s.io/kubernetes/cmd/kubeadm"]
    subprocess.run(argv, cwd=programs.MODULE, env=PLAIN, check=True)
    return folder / "kubeadm"


def node_image(tag: str, folder: Path) -> None:
    """Builds a node image that kind can start."""
    images.build("node", node.IMAGE)
    own = node.IMAGE
    wanted = [*CONTROL_PLANE, "kube-proxy", "kubelet", "kubectl", "etcd"]
    built = programs.ensure(wanted)
    needed = _needed_images(kubeadm(folder))
    for program in ("coredns", "pause"):
        [name] = [one for one in needed if f"/{program}:" in one]
        _docker("tag", catalogue.provide(program), name)
    for program in (*CONTROL_PLANE, "etcd"):
        names = [one for one in needed if f"/{program}:" in one]
        _build(HERE / "image.Dockerfile", names, [built / program], f"PROGRAM={program}")
    proxy = [one for one in needed if "/kube-proxy:" in one]
    _build(HERE / "proxy.Dockerfile", proxy, [built / "kube-proxy"], f"BASE={own}")
    context = folder / "context"
    shutil.copytree(HERE / "node", context)
    shutil.copy(SCRIPTS / "import-images.sh", context)
    module = subprocess.run(
        ["go", "mod", "download", "-json", KIND],
        env=PLAIN,
        cwd=folder,
        capture_output=True,
        check=True,
    )
    shutil.copytree(
        Path(json.loads(module.stdout)["Dir"]) / "images" / "base" / "files",
        context / "kind-files",
        ignore=shutil.ignore_patterns("LICENSES", "config.toml", "clean-install"),
    )
    (context / "version").write_text(_version(), encoding="utf-8")
    # The sandbox that the container runtime is configured with is our own node's.
    sandbox = catalogue.provide("pause")
    _docker("save", "--output", str(context / "images.tar"), *needed, sandbox)
    _docker("rmi", *needed)
    programs_of_node = [folder / "kubeadm", built / "kubelet", built / "kubectl"]
    _build(context / "Dockerfile", [tag], programs_of_node, f"BASE={own}", context=context)


def _version() -> str:
    return str(programs.recipe()["variables"]["k8s.io/component-base/version.gitVersion"])


def _needed_images(program: Path) -> list[str]:
    """What kubeadm's manifests run, named so that official images in the engine are never overwritten."""
    argv = [str(program), "config", "images", "list", "--kubernetes-version", _version()]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    return [f"{catalogue.PREFIX}/{one}" for one in listed]


def _build(
    file: Path,
    names: Sequence[str],
    binaries: Sequence[Path],
    argument: str,
    context: Path | None = None,
) -> None:
    builder = engine.builder()
    tags = [part for name in names for part in ("--tag", name)]
    argv = [*builder.argv, "--network", "host", "--build-arg", argument, *tags]
    with tempfile.TemporaryDirectory() as empty:
        folder = context or Path(empty)
        for one in binaries:
            shutil.copy(one, folder / one.name)
        command = [*argv, "--file", str(file), str(folder)]
        subprocess.run(command, env=builder.env, check=True)


def _docker(*arguments: str) -> str:
    builder = engine.builder()
    done = subprocess.run(
        [builder.argv[0], *arguments], env=builder.env, capture_output=True, text=True, check=True
    )
    return done.stdout
