"""Runs a benchmark; each compares within one run, because absolute times belong to the machine."""

from collections.abc import Callable

from pipeline.benchmarks import path, plan, rollout
from pipeline.commands import Result
from pipeline.core.errors import PipelineError

BENCHMARKS: dict[str, Callable[[], str]] = {
    "path": path.run,
    "plan": plan.run,
    "rollout": rollout.run,
}


def run(name: str) -> Result:
    """Runs one benchmark; raises PipelineError for an unknown name, or when it cannot be measured."""
    if name not in BENCHMARKS:
        raise PipelineError(
            f"there is no benchmark {name!r}", next_step=f"choose one of: {', '.join(BENCHMARKS)}"
        )
    return Result(BENCHMARKS[name]())
