"""Times `./inv plan` against a bare `terraform plan` of the same root, when there is nothing to change.

The two take turns, because what else the machine does changes from second to second; the median of each is taken.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.aws import account as aws
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.tools import tool
from pipeline.releases import environments
from pipeline.terraform import roots
from pipeline.terraform import run as terraform

ENVIRONMENT = "local"
ROUNDS = 5
GOAL = 1.3


def run() -> str:
    """Measures both, whole processes, and prints their ratio.

    Raises:
        PipelineError: Nothing is deployed, something is left to change, or a plan failed.
    """
    environment = environments.resolved(ENVIRONMENT)
    account = aws.account(environment)
    root = roots.environment_root(environment, account.environ)
    if terraform.plan(root).changed:
        raise PipelineError("there is something to change", next_step="run ./inv deploy first")
    bare: list[str | Path] = [tool("terraform"), "plan", "-input=false", "-no-color"]
    bare += [f"-var={name}={value}" for name, value in root.variables.items()]
    seconds: dict[str, list[float]] = {"./inv plan": [], "terraform plan": []}
    with console.progress("measure plans") as step:
        for number in range(ROUNDS):
            step.update(f"round {number + 1} of {ROUNDS}")
            seconds["./inv plan"].append(_timed([ROOT / "inv", "plan"], ROOT, None))
            seconds["terraform plan"].append(_timed(bare, root.folder, roots.environ(root)))
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    ratio = medians["./inv plan"] / medians["terraform plan"]
    rows = [
        (name, f"{medians[name]:.2f}", f"{min(taken):.2f}", f"{max(taken):.2f}")
        for name, taken in seconds.items()
    ]
    console.table(("", "seconds, median", "fastest", "slowest"), rows)
    verdict = "within" if ratio <= GOAL else "beyond"
    return f"./inv plan takes {ratio:.2f} of terraform plan, {verdict} the goal of {GOAL}"


def _timed(argv: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None) -> float:
    started = time.monotonic()
    process.run(argv, log=log_file("bench-plan"), cwd=folder, env=env)
    return time.monotonic() - started
