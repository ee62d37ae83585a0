"""Docker's engine: found or set up, and asked for what belongs to this checkout."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions

from offline import engine as docker_install
from pipeline.core import console, locks, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, CHECKOUT_ID, CHECKOUT_LABEL, CLUSTER

GIB = 2**30
#: A build, its layers and a database need about this much; less is refused before anything is half done.
NEEDED_BYTES = 3 * GIB
API_SECONDS = 120
#: The first client that no longer builds without the buildx plugin.
BUILDX_NEEDED_FROM = 23

#: Labels on everything that this checkout starts.
LABELS: Mapping[str, str] = {CHECKOUT_LABEL: CHECKOUT_ID}
#: What tells that a thing is ours. kind labels the container of its node itself, by the cluster's name only.
OURS = (f"{CHECKOUT_LABEL}={CHECKOUT_ID}", f"io.x-k8s.kind.cluster={CLUSTER}")


@dataclass(frozen=True)
class Builder:
    """A command line that builds with BuildKit: ``argv`` up to the options of ``build``, and its environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    version: str
    has_buildx: bool


@cache
def ensure_engine() -> docker.DockerClient:
    """The engine's client; a running engine is used as it is, a missing one is installed and started when allowed.

    Raises:
        PipelineError: There is none and none can be had here; the cause and the next step say why.
    """
    found = _connect()
    if isinstance(found, docker.DockerClient):
        return found
    docker_install.require_possible(found)
    # Two checkouts may find it missing at once; the second one waits and uses what the first has started.
    with (
        locks.exclusive("engine", CACHE / "locks", wait=True),
        console.progress("Docker engine") as step,
    ):
        if not docker_install.is_installed():
            step.update("installing docker.io")
            docker_install.install(on_line=step.update)
        step.update("starting")
        docker_install.start(lambda: running_engine() is not None)
    started = _connect()
    if isinstance(started, docker.DockerClient):
        return started
    raise PipelineError(started, next_step="read the engine's log", log=docker_install.ENGINE_LOG)


def client() -> docker.DockerClient:
    """The client of the engine that ``ensure_engine`` found."""
    return ensure_engine()


def running_engine() -> docker.DockerClient | None:
    """The client of a running engine, None where none runs; installs and starts nothing."""
    found = _connect()
    return found if isinstance(found, docker.DockerClient) else None


def require_space(needed: int = NEEDED_BYTES) -> None:
    """Raises PipelineError when the engine's disk has less than ``needed`` bytes left; asks no engine elsewhere."""
    if not client().api.base_url.startswith("http+docker"):
        return
    folder = Path(client().info().get("DockerRootDir", "/var/lib/docker"))
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PipelineError(
            f"{free / GIB:.1f} GiB are free on the disk of Docker's images, {needed / GIB:.0f} GiB are needed",
            next_step="free some space (docker system df shows what Docker holds), then run this again",
        )


@cache
def builder_cli() -> Builder:
    """A docker command on this machine that builds with BuildKit.

    A client with the buildx plugin is taken first; one before 23 builds by itself; a newer one without the plugin
    cannot build and is passed over.

    Raises:
        PipelineError: No client fits; the cause lists those that were found.
    """
    ensure_engine()
    seen: list[str] = []
    plain: Builder | None = None
    for path in _clients():
        version = _client_version(path)
        seen.append(f"{path} {version}")
        if _has_buildx(path):
            return Builder(
                (str(path), "buildx", "build", "--builder", "default", "--load"),
                # Attestations would make the image an index, whose digest differs at every build.
                {**_environment(), "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
                version,
                has_buildx=True,
            )
        if plain is None and int(version.partition(".")[0]) < BUILDX_NEEDED_FROM:
            environment = {**_environment(), "DOCKER_BUILDKIT": "1"}
            plain = Builder((str(path), "build"), environment, version, has_buildx=False)
    if plain:
        return plain
    if not seen:
        raise PipelineError(
            "no docker command was found on PATH",
            next_step="install Docker's command line with the buildx plugin",
        )
    raise PipelineError(
        f"no docker command here can build (found {', '.join(seen)}, without the buildx plugin)",
        next_step="install the buildx plugin (package docker-buildx or docker-buildx-plugin)",
    )


def engine_log_lines(container: str, lines: int = 20) -> list[str]:
    """The last log lines of a container of ours, oldest first; empty when it is gone."""
    try:
        raw = client().containers.get(container).logs(tail=lines)
    except docker.errors.NotFound:
        return []
    return str(raw.decode("utf-8", "replace")).splitlines()


def mounted() -> set[Path]:
    """This machine's files and folders that containers have mounted, of any checkout and running or not."""
    found = client().api.containers(all=True)
    return {Path(mount["Source"]) for one in found for mount in one["Mounts"] if "Source" in mount}


def ours() -> list[Any]:
    """The containers that this checkout started, running or not; none where no engine runs. Installs nothing."""
    engine = running_engine()
    if engine is None:
        return []
    return list(_containers(engine))


def remove_ours(*, volumes: bool = True) -> list[str]:
    """Removes this checkout's containers, networks and (unless told not to) volumes; the names removed.

    An engine that does not run holds nothing that runs: then nothing is removed and nothing is installed.
    """
    engine = running_engine()
    if engine is None:
        return []
    removed: list[str] = []
    for kind, one in _owned(engine, volumes=volumes):
        try:
            if kind == "container":
                one.remove(force=True, v=volumes)
            elif kind == "volume":
                one.remove(force=True)
            else:
                one.remove()
        except docker.errors.NotFound:
            continue  # gone in the meantime (a container started with --rm)
        removed.append(f"{kind} {one.name}")
    return removed


def _owned(engine: docker.DockerClient, *, volumes: bool) -> Iterator[tuple[str, Any]]:
    for one in _containers(engine):
        yield "container", one
    for network in engine.networks.list(filters={"label": OURS[0]}):
        yield "network", network
    if volumes:
        for volume in engine.volumes.list(filters={"label": OURS[0]}):
            yield "volume", volume


def _containers(engine: docker.DockerClient) -> Iterator[Any]:
    for label in OURS:
        yield from engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _connect() -> docker.DockerClient | str:
    """The client of a running engine, or in words why there is none."""
    try:
        engine = docker.DockerClient(
            base_url=_host(), timeout=API_SECONDS, version="auto", tls=_tls()
        )
        engine.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        text = str(error)
        if "Permission denied" in text:
            return "this user may not talk to the Docker engine"
        return "the Docker engine does not answer"
    return engine


def _host() -> str | None:
    """Where the engine listens: DOCKER_HOST, else the chosen context of the docker command, else the default socket."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    path = shutil.which("docker")
    if not path or not (Path.home() / ".docker" / "contexts").is_dir():
        return None
    try:
        shown = process.capture(
            [path, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
        )
    except PipelineError:
        return None
    return shown.strip() or None


def _tls() -> Any:
    if not os.environ.get("DOCKER_TLS_VERIFY"):
        return False
    return docker.tls.TLSConfig(
        client_cert=(_certificate("cert.pem"), _certificate("key.pem")),
        ca_cert=_certificate("ca.pem"),
        verify=True,
    )


def _certificate(name: str) -> str:
    folder = os.environ.get("DOCKER_CERT_PATH") or str(Path.home() / ".docker")
    return str(Path(folder) / name)


def _environment() -> dict[str, str]:
    # A remote default builder or legacy setting of the user must not change what is built.
    dropped = ("BUILDX_BUILDER", "DOCKER_DEFAULT_PLATFORM")
    return {key: value for key, value in os.environ.items() if key not in dropped}


def _clients() -> list[Path]:
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    found = (Path(folder) / "docker" for folder in dict.fromkeys(folders) if folder)
    usable = [path for path in found if path.is_file() and os.access(path, os.X_OK)]
    return list({path.resolve(): path for path in reversed(usable)}.values())[::-1]


def _client_version(path: Path) -> str:
    match = re.search(r"\d+\.\d+(\.\d+)?", process.capture([path, "--version"]))
    return match.group() if match else "0"


def _has_buildx(path: Path) -> bool:
    try:
        process.capture([path, "buildx", "version"])
    except PipelineError:
        return False
    return True
