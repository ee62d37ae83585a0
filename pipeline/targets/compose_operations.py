"""The container under Compose: its output, commands in it, and Docker's events. Starts no container."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL
from pipeline.images import docker
from pipeline.releases.environments import Environment
from pipeline.targets import compose
from pipeline.targets.logs import Event, Line, timed

MISSING = "run ./inv deploy --to compose"
SERVICE_LABEL = "com.docker.compose.service"
#: Details of an event that say more than its action.
DETAILS = ("exitCode", "signal", "image")


def lines(environment: Environment, since: datetime) -> Iterator[Line]:
    """The lines of the service's container."""
    container = _container(environment)
    for line in container.logs(since=since, timestamps=True).decode(errors="replace").splitlines():
        yield from timed(str(container.name), line)


def replicas(environment: Environment) -> list[str]:
    """The name of the one container."""
    return [str(_container(environment).name)]


def execute(
    environment: Environment,
    _replica: str,
    command: Sequence[str],
    on_line: Callable[[str], None],
) -> int:
    """The exit code of a command in the container; Docker's own is 126 or 127 for a program that is not there."""
    return docker.execute(_container(environment), command, on_line)


def events(_environment: Environment, since: datetime) -> Iterator[Event]:
    """Docker's events of the services' containers, also of those that are gone; it keeps the last 256 of all."""
    engine = docker.running_engine()
    if engine is None:
        return
    label = {"type": "container", "label": f"{CHECKOUT_LABEL}={CHECKOUT_ID}"}
    asked = {"since": int(since.timestamp()), "until": int(datetime.now(UTC).timestamp()) + 1}
    for event in engine.events(decode=True, filters=label, **asked):
        details = event["Actor"]["Attributes"]
        # The commands of health checks and of ./inv exec are no news of the container.
        if SERVICE_LABEL not in details or event["Action"].startswith("exec_"):
            continue
        message = " ".join(f"{name}={details[name]}" for name in DETAILS if name in details)
        time = datetime.fromtimestamp(event["timeNano"] / 1e9, UTC)
        yield Event(time, details["name"], event["Action"], message)


def _container(environment: Environment) -> Any:
    container = compose.container()
    if container is None:
        raise PipelineError(f"{environment.name} does not run on Compose", next_step=MISSING)
    return container
