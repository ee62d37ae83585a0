"""Docker's engine: connected to or set up, and asked for what belongs to this checkout."""

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import docker
import docker.errors
import requests.exceptions

from pipeline.core import process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL, CLUSTER

GIB = 2**30
#: A build, its layers and a database need about this much; less is refused before anything is half done.
NEEDED_BYTES = 3 * GIB
API_SECONDS = 120
#: The first client that no longer builds without the buildx plugin.
BUILDX_NEEDED_FROM = 23

#: Labels on everything that this checkout starts.
LABELS: Mapping[str, str] = {CHECKOUT_LABEL: CHECKOUT_ID}
#: The labels that make a thing ours. kind labels the container of its node itself, by the cluster's name only.
OURS = (f"{CHECKOUT_LABEL}={CHECKOUT_ID}", f"io.x-k8s.kind.cluster={CLUSTER}")


class Builder(NamedTuple):
    """A command line that builds with BuildKit: ``argv`` up to the options of ``build``, and its environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


@cache
def client() -> docker.DockerClient:
    """The engine's client; a missing engine is installed and started where this user may, else PipelineError."""
    connected = _connect()
    if isinstance(connected, str):
        from offline import provide  # noqa: PLC0415 - only where no engine runs

        provide.docker_engine(connected, lambda: running_engine() is not None)
        connected = _connect()
    if isinstance(connected, str):
        raise PipelineError(connected, next_step="read the engine's log (journalctl -u docker)")
    return connected


def running_engine() -> docker.DockerClient | None:
    """The client of a running engine, None where none runs; installs and starts nothing."""
    connected = _connect()
    return None if isinstance(connected, str) else connected


def require_space() -> None:
    """Raises PipelineError when the engine's disk is too full for a build; asks no engine elsewhere."""
    if not client().api.base_url.startswith("http+docker"):
        return
    root = Path(client().info()["DockerRootDir"])
    folder = next(parent for parent in (root, *root.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise PipelineError(
            f"{free / GIB:.1f} GiB are free on the disk of Docker's images, {NEEDED_BYTES / GIB:.0f} GiB are needed",
            next_step="free some space (docker system df shows what Docker holds), then run this again",
        )


@cache
def builder() -> Builder:
    """The first docker command on this machine that builds: one with the buildx plugin, or one before 23."""
    client()
    # A remote default builder or legacy setting of the user must not change what is built.
    dropped = ("BUILDX_BUILDER", "DOCKER_DEFAULT_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # Attestations would make the image an index, whose digest differs at every build.
    environment |= {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    clients = _clients()
    for path in clients:
        with suppress(PipelineError):
            process.capture([path, "buildx", "version"])
            argv = (str(path), "buildx", "build", "--builder", "default", "--load")
            return Builder(argv, environment)
    for path in clients:
        version = re.search(r"(\d+)\.\d+", process.capture([path, "--version"]))
        if version and int(version[1]) < BUILDX_NEEDED_FROM:
            return Builder((str(path), "build"), environment)
    names = ", ".join(map(str, clients))
    raise PipelineError(
        f"no docker command here can build (without the buildx plugin: {names or 'none on PATH'})",
        next_step="install Docker's command line with the buildx plugin (docker-buildx-plugin)",
    )


def mounted() -> set[Path]:
    """This machine's files and folders that containers have mounted, of any checkout and running or not."""
    containers = client().api.containers(all=True)
    mounts = (mount for container in containers for mount in container["Mounts"])
    return {Path(mount["Source"]) for mount in mounts if "Source" in mount}


def ours() -> list[Any]:
    """The containers that this checkout started, running or not; none where no engine runs. Installs nothing."""
    engine = running_engine()
    if engine is None:
        return []
    containers: list[Any] = []
    for label in OURS:
        containers += engine.containers.list(
            all=True, filters={"label": label}, ignore_removed=True
        )
    return containers


def remove_ours() -> list[str]:
    """Removes this checkout's containers, networks and volumes, where an engine runs; the names removed."""
    engine = running_engine()
    if engine is None:
        return []
    removed = []

    def remove(kind: str, thing: Any, **how: bool) -> None:
        # A container started with --rm may be gone in the meantime.
        with suppress(docker.errors.NotFound):
            thing.remove(**how)
            removed.append(f"{kind} {thing.name}")

    for container in ours():
        remove("container", container, force=True, v=True)
    for network in engine.networks.list(filters={"label": OURS[0]}):
        remove("network", network)
    for volume in engine.volumes.list(filters={"label": OURS[0]}):
        remove("volume", volume, force=True)
    return removed


def _connect() -> docker.DockerClient | str:
    """The client of a running engine (DOCKER_HOST, else the chosen context), or in words why there is none."""
    try:
        engine = docker.from_env(timeout=API_SECONDS)
        engine.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        if "Permission denied" in str(error):
            return "this user may not talk to the Docker engine"
        return "the Docker engine does not answer"
    return engine


def _clients() -> list[Path]:
    """The docker commands on this machine, in the order of PATH; of several names of a file the first one."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    paths = [Path(folder) / "docker" for folder in folders if folder]
    usable = {path.resolve(): path for path in reversed(paths) if os.access(path, os.X_OK)}
    return list(usable.values())[::-1]


def execute(
    container: Any,
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    user: str = "",
    tty: bool = False,
) -> int:
    """The exit code of a command in a running container; its output goes line by line to ``on_line``."""
    api = container.client.api
    made = api.exec_create(container.id, list(argv), user=user, tty=tty)["Id"]
    rest = b""
    for chunk in api.exec_start(made, tty=tty, stream=True):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            on_line(line.decode(errors="replace").rstrip("\r"))
    if rest:
        on_line(rest.decode(errors="replace"))
    return int(api.exec_inspect(made)["ExitCode"])
