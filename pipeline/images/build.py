"""Builds images with BuildKit: proxy settings as secrets, and the same input gives the same image id."""

import io
import json
import os
import re
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker.errors

from pipeline.core import console, files, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL, ROOT, log_file
from pipeline.images import docker as engine

#: Environment variables that name a bundle of certificates, the one for pip first.
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
CA_IN_BUILD = "/etc/ssl/certs/ca-certificates.crt"
#: pip's settings that a build inherits, by their names in pip.conf.
PIP_SETTINGS = {
    "PIP_INDEX_URL": "index-url",
    "PIP_EXTRA_INDEX_URL": "extra-index-url",
    "PIP_TRUSTED_HOST": "trusted-host",
    "PIP_DEFAULT_TIMEOUT": "timeout",
}
#: Arguments that every Dockerfile knows and that leave no trace in the image.
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
NETWORK_MEMORY = LOCAL / "build-network.json"
NETWORK_SECONDS = 24 * 3600
STEP = re.compile(r"^#\d+ \[(?P<step>.+?)\] (?P<command>.+)$")


@dataclass(frozen=True)
class Build:
    """What to build. ``tags`` are full names; ``created`` is the time the image bears (ISO 8601)."""

    dockerfile: Path
    base: str
    tags: tuple[str, ...]
    created: str
    context: Path = ROOT
    arguments: Mapping[str, str] = field(default_factory=dict)
    log_name: str = "build"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """An image in the engine: its id, its size (bytes, as ``docker images`` shows it), the seconds spent."""

    image_id: str
    size: int
    seconds: float


def build(wanted: Build) -> Built:
    """Builds an image and tags it.

    Raises:
        PipelineError: The engine's disk is nearly full, nothing here can build, or a step of the Dockerfile failed.
    """
    engine.require_space()
    builder = engine.builder_cli()
    started = time.monotonic()
    folder = LOCAL / "build"
    folder.mkdir(parents=True, exist_ok=True)
    id_file = folder / f"{wanted.log_name}.id"
    id_file.unlink(missing_ok=True)
    argv: list[str | Path] = [*builder.argv, "--progress=plain", "--iidfile", id_file]
    argv += ["--file", wanted.dockerfile, *wanted.options]
    for name, value in {"BASE_IMAGE": wanted.base, **wanted.arguments}.items():
        argv += ["--build-arg", f"{name}={value}"]
    for name in (*PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)):
        if os.environ.get(name):
            argv += ["--build-arg", name]  # the value stays off the command line
    argv += _secrets(folder)
    if needs_host_network(wanted.base):
        argv += ["--network", "host"]
    environment = dict(builder.env)
    if builder.has_buildx:
        # A BuildKit that comes with buildx gives the image this time by itself.
        environment["SOURCE_DATE_EPOCH"] = str(_epoch(wanted.created))
        argv += [f"--tag={tag}" for tag in wanted.tags]
    log = log_file(wanted.log_name)
    with console.progress(f"docker build {wanted.tags[0]}") as step:
        process.run(
            [*argv, wanted.context],
            log=log,
            env=environment,
            on_line=lambda line: _show(step, line),
            next_step="read the log; the step that failed is at its end",
        )
    image_id = id_file.read_text(encoding="utf-8").strip()
    if not builder.has_buildx:
        image_id = _with_time(image_id, wanted)
    image = engine.client().images.get(image_id)
    return Built(image.id or image_id, int(image.attrs["Size"]), time.monotonic() - started)


def needs_host_network(image: str, memory: Path = NETWORK_MEMORY) -> bool:
    """Whether builds reach the package index only through this machine's own network, not through the bridge.

    That is so where the name server or proxy listens on this machine's loopback. Tried in a container and
    remembered for a day, since the network is part of what BuildKit's cache is keyed by.
    """
    record = files.read_json(memory)
    if record and record["until"] > time.time():
        return bool(record["host"])
    host = not _reaches_index(image, "bridge") and _reaches_index(image, "host")
    files.write(memory, json.dumps({"host": host, "until": time.time() + NETWORK_SECONDS}))
    return host


def ca_bundle() -> Path | None:
    """The file of certificates that this machine's tools are told to trust, if any."""
    for name in CA_VARIABLES:
        value = os.environ.get(name)
        if value and Path(value).is_file():
            return Path(value)
    return None


def pip_settings() -> str:
    """A pip.conf with this machine's package index, and the certificates where a bundle is named; maybe empty."""
    lines = [
        f"{setting} = {os.environ[name]}"
        for name, setting in PIP_SETTINGS.items()
        if os.environ.get(name)
    ]
    if ca_bundle():
        lines.append(f"cert = {CA_IN_BUILD}")
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def _secrets(folder: Path) -> list[str]:
    arguments: list[str] = []
    bundle = ca_bundle()
    if bundle:
        arguments += ["--secret", f"id=ca,src={bundle}"]
    settings = pip_settings()
    if settings:
        # The index's address may hold a password: for this user alone.
        file = folder / "pip.conf"
        files.write(file, settings, mode=files.PRIVATE)
        arguments += ["--secret", f"id=pip,src={file}"]
    return arguments


def _reaches_index(image: str, network: str) -> bool:
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    address = urlsplit(proxy or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple")
    port = address.port or (80 if address.scheme == "http" else 443)
    program = f"import socket; socket.create_connection(({address.hostname!r}, {port}), 5)"
    try:
        engine.client().containers.run(
            image,
            ["python3", "-c", program],
            network_mode=network,
            remove=True,
            labels=dict(engine.LABELS),
        )
    except docker.errors.ContainerError:
        return False
    except docker.errors.APIError:
        return False  # for example an engine elsewhere that has no such network
    return True


def _with_time(image_id: str, wanted: Build) -> str:
    """Gives the image the wanted time of creation and no other, so that its id follows from its content.

    BuildKit of Docker 20.10 writes the time of the build. The engine takes a configuration with layers that it
    already has without their content, so this costs no copy.
    """
    image = engine.client().images.get(image_id)
    attributes = image.attrs
    layers = attributes["RootFS"]["Layers"]
    steps = [one["CreatedBy"] for one in reversed(image.history())]
    making = [step for step in steps if step.startswith(("COPY", "ADD", "RUN", "WORKDIR"))]
    configuration: dict[str, Any] = {
        "architecture": attributes["Architecture"],
        "os": attributes["Os"],
        "created": wanted.created,
        "config": {key: value for key, value in attributes["Config"].items() if value},
        "rootfs": {"type": "layers", "diff_ids": layers},
    }
    if len(making) == len(layers):
        configuration["history"] = [
            {"created": wanted.created, "created_by": step} for step in making
        ]
    manifest = [
        {
            "Config": "config.json",
            "RepoTags": list(wanted.tags),
            "Layers": [f"{layer.removeprefix('sha256:')}.tar" for layer in layers],
        }
    ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("manifest.json", manifest), ("config.json", configuration)):
            raw = json.dumps(content, sort_keys=True).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    buffer.seek(0)
    try:
        loaded = engine.client().images.load(buffer)
    except docker.errors.APIError as error:
        raise PipelineError(
            f"the engine did not take the image's configuration ({error.explanation or error})",
            next_step="install the buildx plugin, which needs no such step",
        ) from error
    final = loaded[0].id or image_id
    if final != image_id:
        engine.client().images.remove(image_id, noprune=True)  # its layers are the other's now
    return final


def _epoch(created: str) -> int:
    return int(datetime.fromisoformat(created).timestamp())


def _show(step: console.Step, line: str) -> None:
    found = STEP.match(line)
    if found:
        step.update(f"{found['step']}: {found['command']}")
