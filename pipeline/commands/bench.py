"""The benchmarks by name; each prints ratios of one run, which outlive the machine that they were measured on."""

from collections.abc import Callable

from pipeline.benchmarks import app as bench_app
from pipeline.benchmarks import image as bench_image
from pipeline.benchmarks import plan as bench_plan
from pipeline.benchmarks import rollout as bench_rollout
from pipeline.core.errors import PipelineError

BENCHMARKS: dict[str, Callable[[], str]] = {
    "app": bench_app.run,
    "image": bench_image.run,
    "plan": bench_plan.run,
    "rollout": bench_rollout.run,
}


def run(what: str) -> str:
    """Runs one benchmark; raises PipelineError for an unknown name."""
    if what not in BENCHMARKS:
        raise PipelineError(
            f"there is no benchmark {what!r}", next_step=f"choose one of: {', '.join(BENCHMARKS)}"
        )
    return BENCHMARKS[what]()
