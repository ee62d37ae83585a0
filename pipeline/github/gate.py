"""Judges the jobs that a workflow's last job needs, as the `needs` context has them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.errors import PipelineError

#: The job whose outputs name the stages to run.
DECIDER = "affected"


@dataclass(frozen=True)
class Job:
    """One needed job: its result as GitHub names it, and whether the change may be merged with it."""

    name: str
    result: str
    accepted: bool
    reason: str


def judge(text: str) -> list[Job]:
    """The verdict on each job of a ``needs`` context (JSON); PipelineError where the text is none.

    A skipped job is accepted only when the deciding job, itself successful, left it out.
    """
    try:
        context = json.loads(text)
        decider = context[DECIDER]
        decided = decider["result"] == "success"
        stages = json.loads(decider["outputs"]["stages"]) if decided else None
        results = {name: str(job["result"]) for name, job in context.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            f"the results of the jobs cannot be read ({type(error).__name__}: {error})",
            next_step="pass NEEDS: ${{ toJSON(needs) }} to this step, with the job affected among the needs",
        ) from error
    return [_judged(name, result, stages) for name, result in results.items()]


def _judged(name: str, result: str, stages: Sequence[str] | None) -> Job:
    if result == "success":
        return Job(name, result, True, "")
    if result != "skipped":
        return Job(name, result, False, "see its log")
    if stages is not None and name not in stages:
        return Job(name, result, True, "the change cannot affect it")
    return Job(name, result, False, "it was skipped, but the change can affect it")
