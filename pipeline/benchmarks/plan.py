"""Times `./inv plan` against a bare `terraform plan` of the same root, when there is nothing to change.

The two take turns, because what else the machine does changes from second to second; the median of each is taken.
"""

import statistics
from pathlib import Path

from pipeline.aws import account as aws
from pipeline.benchmarks import seconds, show
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.tools import tool
from pipeline.releases import environments
from pipeline.terraform import roots
from pipeline.terraform import run as terraform

ROUNDS = 5
GOAL = 1.3


def run() -> str:
    """Measures both, whole processes; raises PipelineError where something is left to change, or a plan failed."""
    environment = environments.resolved(environments.LOCAL_ENVIRONMENT)
    account = aws.account(environment)
    root = roots.environment_root(environment, account.environ)
    if terraform.plan(root, lock=False).changed:
        raise PipelineError("there is something to change", next_step="run ./inv deploy first")
    bare: list[str | Path] = [tool("terraform"), "plan", "-input=false", "-no-color"]
    bare += [f"-var={name}={value}" for name, value in root.variables.items()]
    log, environ = log_file("bench-plan"), roots.environ(root)
    ours: list[float] = []
    theirs: list[float] = []
    with console.progress("measure plans") as step:
        for number in range(ROUNDS):
            step.update(f"round {number + 1} of {ROUNDS}")
            ours.append(seconds(lambda: process.run([ROOT / "inv", "plan"], log=log)))
            theirs.append(seconds(lambda: process.run(bare, log=log, cwd=root.folder, env=environ)))
    show("plan", {"./inv plan": ours, "terraform plan": theirs})
    ratio = statistics.median(ours) / statistics.median(theirs)
    verdict = "within" if ratio <= GOAL else "beyond"
    return f"./inv plan takes {ratio:.2f} of terraform plan, {verdict} the goal of {GOAL}"
