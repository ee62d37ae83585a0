"""kind's node: the upstream project's image, pulled by digest, in a cluster that kind makes for this checkout."""

import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from offline import programs
from pipeline.core import console, ports, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import CLUSTER, ROOT, log_file
from pipeline.kubernetes import flavours as node_flavours
from pipeline.kubernetes import images as clusterimages
from pipeline.kubernetes import privileges
from pipeline.kubernetes.flavours import NETWORK, Flavour, network_range

NAME = f"{CLUSTER}-control-plane"
RECIPE = ROOT / "pipeline" / "kubernetes" / "kind-node"
#: What its image brings along.
INCLUDED = ("pause", "coredns")
ENVIRONMENT = {
    "KIND_EXPERIMENTAL_PROVIDER": "docker",
    # kind would make a network whose name all its clusters share.
    "KIND_EXPERIMENTAL_DOCKER_NETWORK": NETWORK,
}
#: The form of containerd's configuration that the pinned image has.
REGISTRIES = """
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
"""


def obstacle() -> str | None:
    """Why a node cannot be kind's here, None when it can; needs a running engine and pulls nothing."""
    image = clusterimages.kind_image()
    if not shutil.which("kind"):
        return "kind is not on PATH"
    if privileges.rootless():
        return "this Docker engine runs rootless"
    missing = privileges.missing()
    if missing:
        return f"kind needs all privileges, and this Docker engine lacks {', '.join(missing)}"
    if not clusterimages.obtainable(image):
        return f"{image.reference.partition('/')[0]} does not answer, which has kind's node image"
    return None


def _make() -> None:
    image = clusterimages.pull_kind()
    kind = shutil.which("kind")
    if image is None or kind is None:
        raise PipelineError("kind or its node image is gone", next_step="run this again")
    mounts = {programs.program("node-agent"): "bin/node-agent"}
    mounts |= {one: f"images/{one.name}" for one in clusterimages.archives(without=INCLUDED)}
    network_range()  # makes the network
    log = log_file("cluster-kind")
    with (
        console.progress(f"kind cluster {CLUSTER}") as step,
        tempfile.TemporaryDirectory(prefix="ecs-saas-app-kind-") as folder,
    ):
        argv = [kind, "create", "cluster", "--name", CLUSTER, "--image", image, "--config", "-"]
        # The user's own kubeconfig is left alone; what is used is read from the node.
        argv += ["--kubeconfig", str(Path(folder) / "kubeconfig"), "--verbosity", "3"]
        try:
            process.run(
                argv,
                log=log,
                env={**os.environ, **ENVIRONMENT},
                on_line=step.update,
                stdin=json.dumps(configuration(mounts)),
            )
        except CommandFailedError as error:
            raise PipelineError(
                f"kind made no cluster: {error.cause}",
                next_step="read its log; without kind on PATH the node is our own, built from source",
                log=log,
            ) from error
        except BaseException:
            # Half a cluster would be taken for one that is there.
            left = node_flavours.container(NAME)
            if left is not None:
                left.remove(force=True, v=True)
            raise


def configuration(mounts: dict[Path, str]) -> dict[str, Any]:
    """The cluster as kind is asked for it: one node, reached on this machine's loopback only.

    Args:
        mounts: Files of this machine, and where they appear in the node below ``/opt/cluster``.
    """
    loopback = "127.0.0.1"
    web = {"containerPort": 80, "hostPort": ports.KUBERNETES_WEB, "listenAddress": loopback}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": loopback, "apiServerPort": ports.KUBERNETES_API},
        "containerdConfigPatches": [REGISTRIES],
        "nodes": [
            {
                "role": "control-plane",
                "extraPortMappings": [web],
                "extraMounts": [
                    {
                        "hostPath": str(source),
                        "containerPath": f"/opt/cluster/{target}",
                        "readOnly": True,
                    }
                    for source, target in mounts.items()
                ],
            }
        ],
    }


def _equip() -> None:
    """Starts what kind's node lacks: addresses for load balancers, and the images that no registry gives."""
    node = node_flavours.container(NAME)
    if node is None:
        raise PipelineError("kind's node is gone", next_step="run ./inv cluster up")
    # Docker may give it another address each time it starts.
    settings = {
        "NODE_ADDRESS": node_flavours.address(node),
        "LOAD_BALANCER_FIRST": str(network_range().broadcast_address - 254),
    }
    units = sorted(RECIPE.glob("*.service"))
    files = {f"etc/systemd/system/{one.name}": one.read_bytes() for one in units}
    script = programs.FOLDER / "node" / "import-images.sh"
    files[f"opt/cluster/{script.name}"] = script.read_bytes()
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    files["opt/cluster/node-agent.env"] = text.encode()
    node.put_archive("/", _archive(files))
    names = " ".join(one.name for one in units)
    # The bus answers a moment after the container has started.
    wait = "until systemctl list-units >/dev/null 2>&1; do sleep 0.1; done"
    start = f"systemctl daemon-reload && systemctl enable {names} && systemctl restart --no-block {names}"
    done = node.exec_run(["timeout", "60", "sh", "-c", f"{wait}; {start}"])
    if done.exit_code != 0:
        raise PipelineError(
            f"kind's node does not start {names}: {done.output.decode('utf-8', 'replace').strip()}",
            next_step="run ./inv cluster down, then again",
        )


def _archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


FLAVOUR = Flavour(
    title="kind's node",
    container=NAME,
    volumes=(),
    kubeconfig="/etc/kubernetes/admin.conf",
    logs="journalctl --no-pager --lines 60 --unit kubelet --unit containerd --unit node-agent --unit import-images",
    make=_make,
    equip=_equip,
)
