"""Decides for a pull request which stages its change can affect. A merge to main runs them all."""

from rich.table import Table

from pipeline.core import console, markdown
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import affected
from pipeline.releases import environments

#: The environment that is only a rehearsal on this machine: no pull request plans it.
LOCAL = "local"


def run(since: str) -> str:
    """Prints the verdict with its reasons, and sets it as outputs of the workflow's step.

    Raises:
        PipelineError: ``since`` names no commit.
    """
    base = git.resolve(since)
    paths = git.changed(base)
    deployed = [name for name in environments.names() if name != LOCAL]
    verdict = affected.judge(paths, deployed)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "decision"):
        table.add_column(heading)
    for stage, reason in verdict.reasons.items():
        table.add_row(stage, reason)
    console.out.print(table)
    rows = [f"| {stage} | {markdown.inline(why)} |" for stage, why in verdict.reasons.items()]
    github.summary("\n".join(["| stage | decision |", "| --- | --- |", *rows]))
    for name, value in verdict.outputs().items():
        github.output(name, value)
    return f"{len(verdict.stages)} of {len(affected.STAGES)} stages"
