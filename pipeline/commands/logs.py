"""Prints what the application's replicas print, the same on ECS, Kubernetes and Compose."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console
from pipeline.releases import environments, freeze
from pipeline.targets.logs import Line

#: Seconds between two looks at what is new.
FOLLOW_SECONDS = 1.0
#: How far a look goes back before the newest line: CloudWatch may take lines late, replicas' clocks differ.
OVERLAP = timedelta(seconds=10)


def run(
    to: str,
    environment_name: str,
    *,
    since: str,
    follow: bool,
    replica: str | None = None,
    fields: Sequence[str] = (),
) -> Result:
    """Prints the lines of the last ``since`` (such as 10m), and with ``follow`` new ones until Ctrl-C.

    ``replica``: only of those whose name ends so, also of one that is gone; ``fields``: of JSON lines these alone.
    """
    operations = targets.operations(to)
    environment = environments.load(environment_name)
    start = datetime.now(UTC) - freeze.given_span(since)
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))

    def read(since: datetime) -> Iterator[Line]:
        lines = operations.lines(environment, since)
        return (line for line in lines if line.replica.endswith(replica or ""))

    printed = 0
    with contextlib.suppress(KeyboardInterrupt):
        for line in fresh(read, start, follow):
            console.info(line.shown(fields))
            printed += 1
    return Result(f"{printed} lines")


def fresh(
    read: Callable[[datetime], Iterable[Line]], start: datetime, follow: bool
) -> Iterator[Line]:
    """The lines since a time in order, each once; with ``follow`` for ever."""
    seen: set[Line] = set()
    while True:
        lines = sorted({*read(start)} - seen)
        yield from lines
        if not follow:
            return
        if lines:
            start = max(start, lines[-1].time - OVERLAP)
        seen = {line for line in {*seen, *lines} if line.time >= start}
        time.sleep(FOLLOW_SECONDS)
