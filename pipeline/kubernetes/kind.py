"""kind's node: the upstream project's image, pulled by digest, in a cluster that kind makes for this checkout."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import docker.errors

from pipeline.core import console, ports, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import CLUSTER, log_file
from pipeline.images import catalogue
from pipeline.images import docker as engine
from pipeline.kubernetes import privileges

CONTAINER = f"{CLUSTER}-control-plane"
#: The images that its image brings along.
INCLUDED = ("pause", "coredns")
#: Since Kubernetes 1.35 a kubelet refuses a machine with cgroup v1 unless it is told otherwise.
KUBELET = "kind: KubeletConfiguration\nfailCgroupV1: false\n"
#: The form of containerd's configuration that the pinned image has.
REGISTRIES = """
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
"""


def obstacle() -> str | None:
    """Why a node cannot be kind's here, None when it can; needs a running engine and pulls nothing."""
    if not shutil.which("kind"):
        return "kind is not on PATH"
    if privileges.rootless():
        return "this Docker engine runs rootless"
    missing = privileges.missing()
    if missing:
        return f"kind needs all privileges, and this Docker engine lacks {', '.join(missing)}"
    if not catalogue.obtainable("kind"):
        return "docker.io does not answer, which has kind's node image"
    return None


def make(network: str, archives: Sequence[Path]) -> None:
    """Makes a cluster whose node is a container in a network of Docker's, with archives of images."""
    image = catalogue.pull("kind")
    program = shutil.which("kind")
    if image is None or program is None:
        raise PipelineError("kind or its node image is gone", next_step="run this again")
    environment = {
        **os.environ,
        "KIND_EXPERIMENTAL_PROVIDER": "docker",
        # kind would make a network whose name all its clusters share.
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": network,
    }
    log = log_file("cluster-kind")
    with (
        console.progress(f"kind cluster {CLUSTER}") as step,
        tempfile.TemporaryDirectory(prefix="delivery-kind-") as folder,
    ):
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(configuration(archives)), encoding="utf-8")
        argv = [program, "create", "cluster", "--name", CLUSTER, "--image", image]
        argv += ["--config", str(config)]
        # The user's own kubeconfig is left alone; what is used is read from the node.
        argv += ["--kubeconfig", str(Path(folder) / "kubeconfig"), "--verbosity", "3"]
        try:
            process.run(argv, log=log, env=environment, on_line=step.update)
        except CommandFailedError as error:
            raise PipelineError(
                f"kind made no cluster: {error.cause}",
                next_step="read its log; without kind on PATH the node is our own, built from source",
                log=log,
            ) from error
        except BaseException:
            # Half a cluster would be taken for one that is there.
            with contextlib.suppress(docker.errors.NotFound):
                engine.client().containers.get(CONTAINER).remove(force=True, v=True)
            raise


def configuration(archives: Sequence[Path]) -> dict[str, Any]:
    """The configuration of a cluster of one node, reached on this machine's loopback only."""
    loopback = "127.0.0.1"
    web = {"containerPort": 80, "hostPort": ports.KUBERNETES_WEB, "listenAddress": loopback}
    folder = "/opt/cluster/images"
    mounts = [
        {"hostPath": str(file), "containerPath": f"{folder}/{file.name}", "readOnly": True}
        for file in archives
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": loopback, "apiServerPort": ports.KUBERNETES_API},
        "containerdConfigPatches": [REGISTRIES],
        "kubeadmConfigPatches": [KUBELET],
        "nodes": [{"role": "control-plane", "extraPortMappings": [web], "extraMounts": mounts}],
    }
