"""The jobs that a workflow's last job needs, as the `needs` context has them, and what a pull request's are worth."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.core.errors import PipelineError

#: The job whose outputs name the stages to run.
DECIDER = "affected"


class Needed(NamedTuple):
    """One needed job: its result as GitHub names it, and its outputs."""

    result: str
    outputs: dict[str, str]


@dataclass(frozen=True)
class Job:
    """One needed job: its result as GitHub names it, and whether the change may be merged with it."""

    name: str
    result: str
    accepted: bool
    reason: str


def needs(job: str = "") -> dict[str, Needed]:
    """What the workflow's step passes in NEEDS (JSON); PipelineError where it is none, or ``job`` is not in it."""
    try:
        context = json.loads(os.environ.get("NEEDS", ""))
        found = {
            name: Needed(str(each["result"]), each.get("outputs", {}))
            for name, each in context.items()
        }
        if job and job not in found:
            raise KeyError(job)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(job, error) from error
    return found


def judge() -> list[Job]:
    """The verdict on each job in NEEDS; raises PipelineError as ``needs`` does, or where the stages are not told.

    A skipped job is accepted only when the deciding job, itself successful, left it out.
    """
    jobs = needs(DECIDER)
    decided, stages = jobs[DECIDER].result == "success", None
    try:
        stages = json.loads(jobs[DECIDER].outputs["stages"]) if decided else None
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(DECIDER, error) from error
    return [_judged(name, job.result, stages) for name, job in jobs.items()]


def _unreadable(job: str, error: Exception) -> PipelineError:
    among = f", with the job {job} among the needs" if job else ""
    return PipelineError(
        f"the results of the jobs cannot be read ({type(error).__name__}: {error})",
        next_step=f"pass NEEDS: ${{{{ toJSON(needs) }}}} to this step{among}",
    )


def _judged(name: str, result: str, stages: Sequence[str] | None) -> Job:
    if result == "success":
        return Job(name, result, True, "")
    if result != "skipped":
        return Job(name, result, False, "see its log")
    if stages is not None and name not in stages:
        return Job(name, result, True, "the change cannot affect it")
    return Job(name, result, False, "it was skipped, but the change can affect it")
