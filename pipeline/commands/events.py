"""Shows what the engine says happened to an environment, the same on ECS, Kubernetes and Compose."""

from datetime import UTC, datetime

from rich.markup import escape

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console
from pipeline.releases import environments, freeze
from pipeline.targets.logs import printable


def run(to: str, environment_name: str, *, since: str) -> Result:
    """Prints the events of the last ``since`` (such as 1h) as one table, in order."""
    operations = targets.operations(to)
    environment = environments.load(environment_name)
    start = datetime.now(UTC) - freeze.given_span(since)
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))
    rows = [
        (
            f"{event.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            event.about,
            event.reason,
            event.message,
        )
        for event in sorted(operations.events(environment, start))
    ]
    if rows:
        cells = [[escape(printable(cell)) for cell in row] for row in rows]
        console.table(("when (UTC)", "object", "reason", "message"), cells)
    return Result(f"{len(rows)} events")
