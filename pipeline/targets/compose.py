"""The target ``compose``: the application with live editing, by Docker Compose."""

import contextlib
import os
import shutil
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from offline import engine as docker_install
from pipeline.core import console, ports, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHECKOUT_ID, ROOT, log_file
from pipeline.git import repository as git
from pipeline.images import docker
from pipeline.targets import web
from pipeline.targets.state import State, seconds_since

SERVICE = "web"
URL = f"http://localhost:{ports.COMPOSE_WEB}"


def up(image: str) -> None:
    """Starts the service, or brings it up to an image; what runs and fits is left alone.

    Args:
        image: A local name with a version: ``latest`` may be that of another checkout by now.

    Raises:
        PipelineError: The port is taken, ``app/`` cannot be read in the container, or Compose is missing and cannot be
            installed, or failed.
    """
    _require_readable(ROOT / "app")
    if _container() is None:
        ports.require_free(ports.COMPOSE_WEB, "the application under Compose")
    with console.progress("docker compose up") as step:
        process.run(
            [*_cli(step.update), "-p", _project(), "up", "-d", "--no-build", SERVICE],
            log=log_file("compose"),
            env={
                **os.environ,
                "WEB_IMAGE": image,
                "WEB_PORT": str(ports.COMPOSE_WEB),
                "CHECKOUT_ID": CHECKOUT_ID,
            },
            cwd=ROOT,
            on_line=step.update,
        )


def observe() -> State | None:
    """What runs now; None when nothing does. Starts nothing."""
    container = _container()
    if container is None:
        return None
    answer: dict[str, Any] = {}
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = web.ask(URL)
    return State(
        url=URL,
        image=str(container.attrs["Config"]["Image"]),
        version=str(answer.get("version", "")),
        healthy=web.is_ready(URL),
        replicas=1,
        revision=answer.get("commit"),
        wanted_revision=git.revision(),
        age=seconds_since(datetime.fromisoformat(container.attrs["State"]["StartedAt"])),
    )


def last_lines() -> list[str]:
    """The last lines of the service's log."""
    container = _container()
    return docker.engine_log_lines(container.id) if container else []


def _require_readable(folder: Path) -> None:
    """The container reads the mounted code as another user: it must be readable for all."""
    for path in (folder, folder / "app.py"):
        wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & wanted != wanted:
            raise PipelineError(
                f"{path.relative_to(ROOT)} is not readable for the container's user",
                next_step="run chmod -R o+rX app",
            )


def _container() -> Any | None:
    for one in docker.ours():
        if one.labels.get("com.docker.compose.service") == SERVICE and one.status == "running":
            return one
    return None


def _project() -> str:
    return f"delivery-{CHECKOUT_ID}"


def _cli(on_line: Any) -> list[str]:
    """Compose v2 where Docker has the plugin, else Debian's docker-compose, installed when allowed."""
    client = shutil.which("docker")
    if client:
        try:
            process.capture([client, "compose", "version"])
        except PipelineError:
            pass
        else:
            return [client, "compose"]
    if not shutil.which("docker-compose"):
        docker_install.packages(["docker-compose"], on_line=on_line)
    return ["docker-compose"]
