"""Builds images with BuildKit: proxy settings as secrets, and the same input gives the same image id."""

import io
import json
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import docker.errors

from pipeline.core import console, files, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL, log_file
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
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
STEP = re.compile(r"^#\d+ \[(?P<step>.+?)\] (?P<command>.+)$")


def build(
    context: Path,
    tags: Sequence[str],
    created: str,
    arguments: Mapping[str, str],
    *,
    no_cache: bool = False,
) -> str:
    """Builds ``context/Dockerfile`` and returns the image's id; raises PipelineError where that fails.

    ``created`` is the time that the image bears (ISO 8601), ``arguments`` are the Dockerfile's ARGs.
    """
    engine.require_space()
    builder = engine.builder()
    folder = LOCAL / "build"
    folder.mkdir(parents=True, exist_ok=True)
    time = f"{datetime.fromisoformat(created).timestamp():.0f}"
    # The machine's own network: its name server, proxy or package index may listen on loopback.
    argv = [*builder.argv, "--progress=plain", "--network", "host"]
    argv += [f"--tag={tag}" for tag in tags]
    for name, value in arguments.items():
        argv += ["--build-arg", f"{name}={value}"]
    for name in filter(os.environ.get, PROXY_VARIABLES):
        argv += ["--build-arg", name]  # the value stays off the command line
    argv += ["--no-cache"] if no_cache else []
    with console.progress(f"docker build {tags[0]}") as step:

        def show(line: str) -> None:
            if match := STEP.match(line):
                step.update(f"{match['step']}: {match['command']}")

        process.run(
            [*argv, *_secrets(folder), context],
            log=log_file("build"),
            env={**builder.env, "SOURCE_DATE_EPOCH": time},
            on_line=show,
            next_step="read the log; the step that failed is at its end",
        )
    return _with_time(tags, created)


def ca_bundle() -> Path | None:
    """The file of certificates that this machine's tools are told to trust, if any."""
    values = (os.environ.get(name) for name in CA_VARIABLES)
    return next((Path(value) for value in values if value and Path(value).is_file()), None)


def pip_settings() -> str:
    """A pip.conf with this machine's package index, and the certificates where a bundle is named; maybe empty."""
    settings = {PIP_SETTINGS[name]: os.environ.get(name) for name in PIP_SETTINGS}
    settings["cert"] = CA_IN_BUILD if ca_bundle() else None
    lines = [f"{name} = {value}" for name, value in settings.items() if value]
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def _secrets(folder: Path) -> list[str]:
    arguments: list[str] = []
    if bundle := ca_bundle():
        arguments += _secret("ca", bundle)
    if settings := pip_settings():
        # The index's address may hold a password.
        files.write(folder / "pip.conf", settings, mode=files.PRIVATE)
        arguments += _secret("pip", folder / "pip.conf")
    return arguments


def _secret(name: str, file: Path) -> list[str]:
    """The option is a line of CSV: a path may hold a comma or a quote."""
    quoted = str(file).replace('"', '""')
    return ["--secret", f'id={name},"src={quoted}"']


def _with_time(tags: Sequence[str], created: str) -> str:
    """Gives the image the wanted time of creation and no other, so that its id follows from its content; the id.

    BuildKit before 0.11, such as Docker 20.10 has, ignores SOURCE_DATE_EPOCH and writes the time of the build. The
    engine takes a configuration with layers that it already has without their content, so this costs no copy.
    """
    # By its name: what buildx gives as the id (--iidfile), Docker's containerd store may not know.
    image = engine.client().images.get(tags[0])
    image_id, attributes = str(image.id), image.attrs
    if datetime.fromisoformat(attributes["Created"]) == datetime.fromisoformat(created):
        return image_id
    layers = attributes["RootFS"]["Layers"]
    configuration = {
        "architecture": attributes["Architecture"],
        "os": attributes["Os"],
        "created": created,
        "config": {name: value for name, value in attributes["Config"].items() if value},
        "rootfs": {"type": "layers", "diff_ids": layers},
    }
    steps = [entry["CreatedBy"] for entry in reversed(image.history())]
    steps = [step for step in steps if step.startswith(("COPY", "ADD", "RUN", "WORKDIR"))]
    if len(steps) == len(layers):
        configuration["history"] = [{"created": created, "created_by": step} for step in steps]
    manifest = {
        "Config": "config.json",
        "RepoTags": list(tags),
        "Layers": [f"{layer.removeprefix('sha256:')}.tar" for layer in layers],
    }
    archive = _archive({"manifest.json": [manifest], "config.json": configuration})
    try:
        loaded = engine.client().images.load(archive)
    except docker.errors.APIError as error:
        raise PipelineError(
            f"the engine did not take the image's configuration ({error.explanation or error})",
            next_step="install a newer Docker engine, which needs no such step",
        ) from error
    if loaded[0].id != image_id:
        engine.client().images.remove(image_id, noprune=True)  # its layers are the other's now
    return str(loaded[0].id)


def _archive(documents: Mapping[str, Any]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, document in documents.items():
            content = json.dumps(document, sort_keys=True).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer
