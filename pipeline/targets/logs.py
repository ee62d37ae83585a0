"""What the application's replicas have printed, the same on each target. Nothing here starts anything."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.argocd import application
from pipeline.aws import account as aws
from pipeline.core.errors import PipelineError
from pipeline.releases.environments import Environment
from pipeline.targets import compose, ecs, kubernetes
from pipeline.terraform import roots

#: A line of ``kubectl logs --prefix --timestamps``, and of Docker's log with times.
PREFIXED = re.compile(r"\[pod/(?P<replica>[^/]+)/[^]]+\] (?P<rest>.*)")
TIMED = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:]+)(?P<fraction>\.\d+)?\S* (?P<text>.*)")
#: Characters of a replica's name that are shown, its last ones.
SHOWN = 8


@dataclass(frozen=True, order=True)
class Line:
    """A line of output, by time (UTC) and replica."""

    time: datetime
    replica: str
    text: str

    def __str__(self) -> str:
        # A terminal obeys what is no character to print.
        shown = (
            each if each.isprintable() else each.encode("unicode_escape").decode()
            for each in told(self.text)
        )
        return f"{self.time:%H:%M:%S} {self.replica[-SHOWN:]} {''.join(shown)}"


def told(text: str) -> str:
    """A JSON line as level, message and the other fields, without its time; any other line as it is."""
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict) or "message" not in fields:
        return text
    level, message = fields.pop("level", ""), fields.pop("message")
    rest = (f"{name}={value}" for name, value in fields.items() if name not in ("time", "logger"))
    return " ".join(filter(None, (str(level), str(message), *rest)))


def on_ecs(environment: Environment, since: datetime) -> Iterator[Line]:
    """The lines of the service's log group in CloudWatch, also of tasks that are gone."""
    account = aws.existing_account(environment)
    if account is None:
        raise _missing(environment, "ECS", ecs.MISSING)
    client: Any = account.client("logs")
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=f"/ecs/{roots.base_name(environment)}",
        startTime=int(since.timestamp() * 1000),
    )
    try:
        for page in pages:
            for event in page["events"]:
                time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                replica = event["logStreamName"].rpartition("/")[2]
                yield Line(time, replica, event["message"].rstrip())
    except client.exceptions.ResourceNotFoundException as error:
        raise _missing(environment, "ECS", ecs.MISSING) from error


def on_kubernetes(environment: Environment, since: datetime) -> Iterator[Line]:
    """The lines of the pods that there are now."""
    namespace = application.namespace(environment.name)
    options = ("--prefix", "--timestamps", "--tail=-1", f"--since-time={since:%Y-%m-%dT%H:%M:%SZ}")
    output = kubernetes.connect().run(
        "logs", f"--namespace={namespace}", f"--selector={kubernetes.WEB_PODS}", *options
    )
    for line in output.splitlines():
        if match := PREFIXED.fullmatch(line):
            yield from _timed(match["replica"], match["rest"])


def on_compose(environment: Environment, since: datetime) -> Iterator[Line]:
    """The lines of the service's container."""
    container = compose.container()
    if container is None:
        raise _missing(environment, "Compose", "run ./inv deploy --to compose")
    for line in container.logs(since=since, timestamps=True).decode(errors="replace").splitlines():
        yield from _timed(str(container.name), line)


#: The lines since a time, unsorted, by target.
READERS: dict[str, Callable[[Environment, datetime], Iterator[Line]]]
READERS = {"ecs": on_ecs, "kubernetes": on_kubernetes, "compose": on_compose}


def _timed(replica: str, line: str) -> Iterator[Line]:
    if match := TIMED.fullmatch(line):
        fraction = (match["fraction"] or ".0")[:7]
        time = datetime.fromisoformat(f"{match['time']}{fraction}").replace(tzinfo=UTC)
        yield Line(time, replica, match["text"])


def _missing(environment: Environment, where: str, next_step: str) -> PipelineError:
    return PipelineError(f"{environment.name} does not run on {where}", next_step=next_step)
