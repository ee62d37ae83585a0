"""Prints what the application's replicas print, the same on ECS, Kubernetes and Compose."""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError, require_choice
from pipeline.releases import environments, freeze
from pipeline.targets import logs
from pipeline.targets.logs import Line

#: Seconds between two looks at what is new.
FOLLOW_SECONDS = 1.0
#: How far a look goes back before the newest line: CloudWatch may take lines late, replicas' clocks differ.
OVERLAP = timedelta(seconds=10)


def run(to: str, environment_name: str, *, since: str, follow: bool) -> Result:
    """Prints the lines of the last ``since`` (such as 10m), and with ``follow`` new ones until Ctrl-C."""
    require_choice("target", to, logs.READERS)
    environment = environments.load(environment_name)
    if not re.fullmatch(freeze.SPAN, since):
        raise PipelineError(f"{since!r} is no time span", next_step="write it as 10m, 1h30m or 45s")
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))
    start = datetime.now(UTC) - freeze.span(since)
    printed = 0
    with contextlib.suppress(KeyboardInterrupt):
        for line in fresh(lambda since: logs.READERS[to](environment, since), start, follow):
            console.info(str(line))
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
