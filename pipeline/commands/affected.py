"""Decides which stages a pull request can affect; a merge to main runs them all."""

import json

from pipeline.commands import Result
from pipeline.core import console, markdown
from pipeline.git import repository
from pipeline.github import affected
from pipeline.releases import environments


def run(since: str) -> Result:
    """Prints the verdict with its reasons; its outputs are JSON lists for the workflow's conditions."""
    verdict = affected.judge(repository.changed_since(since) or (), environments.deployed())
    console.table(("stage", "decision"), verdict.reasons.items())
    rows = [(stage, markdown.inline(why)) for stage, why in verdict.reasons.items()]
    report = "\n".join(["### Affected", "", *markdown.table(("stage", "decision"), rows)])
    headline = f"{len(verdict.stages)} of {len(affected.STAGES)} stages"
    lists = {"stages": verdict.stages, "environments": verdict.environments}
    return Result(headline, report, {name: json.dumps(each) for name, each in lists.items()})
