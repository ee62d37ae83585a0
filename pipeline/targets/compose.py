"""The target ``compose``: the application with live editing, by Docker Compose."""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.core import apt, console, ports, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHECKOUT_ID, ROOT, log_file
from pipeline.core.waiting import wait
from pipeline.git import repository as git
from pipeline.images import app as app_image
from pipeline.images import catalogue, docker
from pipeline.releases.environments import Environment
from pipeline.releases.project import project
from pipeline.targets import web
from pipeline.targets.state import State, seconds_since

STAGES = {
    "test": (),
    "engine": (),
    "build": ("engine",),
    "start": ("test", "build"),
    "verify": ("start",),
}
SERVICE, DATABASE = "web", "database"
DATABASE_SECONDS = 60
LOG_LINES = 20
URL = f"http://localhost:{ports.COMPOSE_WEB}"


def prepare(_environment: Environment) -> str:
    """Sees to Docker's engine and Compose, and checks that the container can read ``app/``."""
    _require_readable(ROOT / "app")
    docker.client()
    with console.progress("Docker Compose") as step:
        return " ".join(_cli(step.update))


def deliver(_environment: Environment) -> str:
    """Starts the image that was built last, or brings the service up to it; what runs and fits is left alone."""
    # By its version: ``latest`` may be that of another checkout by now.
    image = app_image.current().image
    if container() is None:
        ports.require_free(ports.COMPOSE_WEB, "the application under Compose")
    with console.progress("docker compose up") as step:
        settings = {
            "WEB_IMAGE": image,
            "WEB_PORT": str(ports.COMPOSE_WEB),
            "CHECKOUT_ID": CHECKOUT_ID,
        }
        database = project().database
        if database.development == "postgresql":
            settings |= {
                "COMPOSE_PROFILES": "postgresql",
                "DATABASE_HOST": DATABASE,
                "DATABASE_IMAGE": catalogue.provide("postgres"),
            }

        def compose(*arguments: str) -> None:
            process.run(
                [*_cli(step.update), "-p", f"delivery-{CHECKOUT_ID}", *arguments],
                log=log_file("compose"),
                env={**os.environ, **settings},
                on_line=step.update,
            )

        if database.development == "postgresql":
            compose("up", "-d", DATABASE)
            _await_database()
        # The sample, which is checked and reads the plain variables, migrates itself in development.
        if project().migrate and (database.variables or not project().checked):
            compose("run", "--rm", "--no-deps", SERVICE, *project().migrate)
        compose("up", "-d", "--no-build", "--no-deps", SERVICE)
    return image


def observe(_environment: Environment) -> State | None:
    """What the service's container runs; there is one, for whichever environment."""
    running = container()
    if running is None:
        return None
    answer = web.answer(URL)
    return State(
        url=URL,
        image=str(running.attrs["Config"]["Image"]),
        version=str(answer.get("version", "")),
        healthy=web.is_ready(URL),
        replicas=1,
        revision=answer.get("commit"),
        wanted_revision=git.revision(),
        age=seconds_since(running.attrs["State"]["StartedAt"]),
    )


def verify(_environment: Environment, digest: str | None = None) -> web.Reached:
    """Asks until the service answers and is ready; its image has no digest unless one is given."""
    return web.verify((URL, None), digest or "", 1, _last_lines, lambda: container() is not None)


def container(service: str = SERVICE) -> Any | None:
    """The container of a service that runs, or None."""
    services = (each for each in docker.ours() if each.status == "running")
    label = "com.docker.compose.service"
    return next((each for each in services if each.labels.get(label) == service), None)


def _last_lines() -> list[str]:
    running = container()
    log = running.logs(tail=LOG_LINES) if running else b""
    return str(log.decode(errors="replace")).splitlines()


def _require_readable(folder: Path) -> None:
    """The container reads the mounted code as another user: it must be readable for all."""
    for path in (folder, *folder.glob("*.py")):
        wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & wanted != wanted:
            raise PipelineError(
                f"{path.relative_to(ROOT)} is not readable for the container's user",
                next_step="run chmod -R o+rX app",
            )


def _await_database() -> None:
    def healthy() -> bool:
        running = container(DATABASE)
        return bool(running and running.attrs["State"]["Health"]["Status"] == "healthy")

    if not wait(healthy, timeout=DATABASE_SECONDS):
        raise PipelineError(
            f"PostgreSQL was not ready within {DATABASE_SECONDS} s",
            next_step="docker logs of the container shows why",
        )


def _cli(on_line: Callable[[str], None]) -> list[str]:
    """Compose v2 where Docker has the plugin, else Debian's docker-compose, installed when allowed."""
    client = shutil.which("docker")
    if client:
        with contextlib.suppress(PipelineError):
            process.capture([client, "compose", "version"])
            return [client, "compose"]
    if not shutil.which("docker-compose"):
        apt.install("docker-compose", on_line=on_line)
    return ["docker-compose"]
