"""The target ``compose``: the application with live editing, by Docker Compose."""

import os
import shutil
from typing import Any

import httpx

from pipeline import console, ports, process
from pipeline.engines import docker, docker_install, web
from pipeline.engines.targets import State
from pipeline.errors import PipelineError
from pipeline.paths import CHECKOUT_ID, ROOT, log_file

SERVICE = "web"
URL = f"http://localhost:{ports.COMPOSE_WEB}"


def up() -> None:
    """Starts the service, or brings it up to the image built last; what runs and fits is left alone.

    Raises:
        PipelineError: The port is taken, or Compose is missing and cannot be installed, or failed.
    """
    if _container() is None:
        ports.require_free(ports.COMPOSE_WEB, "the application under Compose")
    with console.progress("docker compose up") as step:
        process.run(
            [*_cli(step.update), "-p", _project(), "up", "-d", "--no-build", SERVICE],
            log=log_file("compose"),
            env={
                **os.environ,
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
    try:
        version = str(web.ask(URL).get("version", ""))
    except (httpx.HTTPError, ValueError):
        version = ""
    return State(
        url=URL,
        image=str(container.attrs["Config"]["Image"]),
        version=version,
        healthy=web.is_ready(URL),
        replicas=1,
    )


def last_lines() -> list[str]:
    """The last lines of the service's log."""
    container = _container()
    return docker.engine_log_lines(container.id) if container else []


def _container() -> Any | None:
    for one in docker.ours():
        if one.labels.get("com.docker.compose.service") == SERVICE and one.status == "running":
            return one
    return None


def _project() -> str:
    return f"ecs-saas-app-{CHECKOUT_ID}"


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
