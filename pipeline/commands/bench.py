"""Runs a benchmark; each compares within one run, because absolute times belong to the machine."""

from collections.abc import Callable

from pipeline.benchmarks import path, plan, rollout
from pipeline.commands import Result
from pipeline.core.errors import require_choice

BENCHMARKS: dict[str, Callable[[], str]]
BENCHMARKS = {"path": path.run, "plan": plan.run, "rollout": rollout.run}


def run(name: str) -> Result:
    require_choice("benchmark", name, BENCHMARKS)
    return Result(BENCHMARKS[name]())
