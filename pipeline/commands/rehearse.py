"""Runs the committed workflows on this machine, for a pull request or a merge."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.markup import escape

from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import PipelineError, require_choice
from pipeline.core.locks import exclusive
from pipeline.core.paths import LOCAL, ROOT, log_file, shown
from pipeline.git import repository as git
from pipeline.github import act, affected, rehearsal
from pipeline.releases import environments

WORKFLOWS = {"pull_request": "pull-request.yml", "push": "main.yml"}
#: What a merge must have run; the jobs of a pull request follow from what it affects.
MERGE_JOBS = ("lint", "test", "image", "deploy", "issue", "notes")
ENVIRONMENT = "staging"


def run(event: str, *, since: str | None = None, fork: bool = False) -> Result:
    """Runs the workflow of an event on the work tree as it is; main is ``since``, else HEAD or what HEAD changed."""
    require_choice("pipeline for the event", event, WORKFLOWS)
    commit = git.snapshot("The work tree under test")
    head = git.revision()
    base = git.resolve(since) if since else head if commit != head else git.before_head()
    paths = git.changed(base, commit)
    wanted = _wanted(event, paths, fork=fork)
    if event == "push":
        # An account is prepared by its administrator before any merge; a fork's runner has none (docs/reality.md).
        with console.progress("account") as step:
            process.run(
                [ROOT / "inv", "bootstrap", "--environment", ENVIRONMENT],
                log=log_file("pipeline-account"),
                env={**os.environ, "LOCAL_AWS": "1", "CI": "true"},
                on_line=step.update,
                next_step="run LOCAL_AWS=1 ./inv bootstrap --environment staging to see more",
            )
    with exclusive("pipeline"):
        folder = LOCAL / "pipeline" / event
        log = log_file(f"pipeline-{event}")
        with (
            _rows() as show,
            rehearsal.prepare(folder, source=ROOT, base=base, commit=commit, event=event) as ready,
        ):
            jobs = rehearsal.run(
                ready,
                WORKFLOWS[event],
                rehearsal.Settings(env={"LOCAL_AWS": "1"}, fork=fork),
                log=log,
                show=show,
            )
            calls = ready.calls()
    _table(jobs, wanted, len(calls))
    _judge(jobs, wanted, log_name=shown(log))
    return Result(f"{len(jobs)} jobs")


def _wanted(event: str, paths: Sequence[str], *, fork: bool) -> dict[str, str]:
    """The jobs that must run, and for those of a pull request that must not, why (an empty reason means: must)."""
    if event == "push":
        return dict.fromkeys(MERGE_JOBS, "")
    verdict = affected.judge(paths, environments.deployed())
    wanted = {"affected": ""}
    for stage, reason in verdict.reasons.items():
        wanted[stage] = "" if stage in verdict.stages else reason
    wanted["comment"] = "skipped: a fork's token cannot write" if fork else ""
    wanted["required"] = ""
    return wanted


def _judge(jobs: Sequence[act.Job], wanted: dict[str, str], *, log_name: str) -> None:
    for job in jobs:
        if job.result == "failure":
            console.out.rule(f"[red]{job.name}[/]", align="left")
            console.info("\n".join(job.output[-20:]))
    failed = [job.name for job in jobs if job.result != "success"]
    if failed:
        raise PipelineError(
            f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}",
            next_step=f"read their last lines above; all of their output is in {log_name}",
        )
    ran = {job.identity for job in jobs}
    missing = [name for name, reason in wanted.items() if not reason and name not in ran]
    surplus = sorted(name for name in ran if wanted.get(name, "unexpected"))
    for what, names in (("had to run did not", missing), ("should not run did", surplus)):
        if names:
            raise PipelineError(
                f"jobs that {what}: {', '.join(names)}",
                next_step="check their `if:`, `needs:` and `runs-on:`",
            )


def _table(jobs: Sequence[act.Job], wanted: dict[str, str], calls: int) -> None:
    rows = []
    for job in jobs:
        mark = "[green]✔ passed[/]" if job.result == "success" else f"[red]✘ {job.result}[/]"
        rows.append((job.name, mark, f"{job.seconds:.1f} s", escape(" · ".join(job.steps))))
    ran = {job.identity for job in jobs}
    for name, reason in wanted.items():
        if reason and name not in ran:
            rows.append((name, "[dim]skipped[/]", "", reason.removeprefix("skipped: ")))
    console.table(("job", "", "time", "steps"), rows, title="jobs")
    console.info(f"  {calls} calls of actions, recorded in .local/pipeline")


@contextmanager
def _rows() -> Iterator[Callable[[act.Job, str], None]]:
    """A function that shows a job's newest line, in one live row a job that ends with the job."""
    rows: dict[str, tuple[AbstractContextManager[console.Step], console.Step]] = {}

    def close(name: str, result: str) -> None:
        row, _ = rows.pop(name)
        error = None if result == "success" else RuntimeError(result)
        row.__exit__(type(error) if error else None, error, None)

    def show(job: act.Job, line: str) -> None:
        if job.name not in rows:
            row = console.progress(job.name)
            rows[job.name] = (row, row.__enter__())
        rows[job.name][1].update(line)
        if job.result != "running":
            close(job.name, job.result)

    try:
        yield show
    finally:
        for name in list(rows):
            close(name, "interrupted")
