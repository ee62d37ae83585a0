"""Applies the saved plan, and asks AWS whether what runs is what was wanted."""

from collections.abc import Collection

from pipeline.commands import Result
from pipeline.releases import environments
from pipeline.targets import ecs


def run(environment_name: str, *, acknowledged: Collection[str] = ()) -> Result:
    environment = environments.planned(environments.load(environment_name))
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))
    return Result(ecs.deliver(environment, acknowledged))
