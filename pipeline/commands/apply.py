"""Applies the saved plan, and asks AWS whether what runs is what was wanted."""

from collections.abc import Collection
from datetime import UTC, datetime

from pipeline.commands import Result
from pipeline.releases import environments, promotion
from pipeline.targets import ecs


def run(environment_name: str, *, acknowledged: Collection[str] = (), override: str = "") -> Result:
    """Applies in a freeze only with ``override``, or what a rollback brings."""
    environment = environments.planned(environments.load(environment_name))
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))
    report = promotion.require_open(environment, datetime.now(UTC), override=override, at="HEAD")
    return Result(ecs.deliver(environment, acknowledged), report)
