"""The one check that branch rules require: every job passed, or was left out on purpose."""

from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.github import actions, gate


def run() -> Result:
    jobs = gate.judge()
    for job in jobs:
        console.info(f"  {job.name}: {job.result}{f' ({job.reason})' if job.reason else ''}")
    refused = [job for job in jobs if not job.accepted]
    for job in refused:
        actions.annotate(f"{job.name}: {job.result}, {job.reason}", title="Required")
    if refused:
        raise PipelineError(
            f"not mergeable: {', '.join(f'{job.name} {job.result}' for job in refused)}",
            next_step="open the failed job: its last line names the cause and the way out",
        )
    return Result(f"{len(jobs)} jobs")
