"""Runs the stages of a path side by side where they do not depend on each other, and prints their outcomes."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter

from rich.markup import escape

from pipeline.core import console, process

#: Between two looks at steps that are being ended.
AGAIN_SECONDS = 0.2
MARKS = {
    "passed": "[green]✔ passed[/]",
    "failed": "[red]✘ failed[/]",
    "not run": "[dim]not run[/]",
}


@dataclass(frozen=True)
class Step:
    """One step: what it does (returning a short result for the table) and the names of the steps it needs."""

    name: str
    run: Callable[[], str]
    needs: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step: ``state`` is passed, failed or not run; ``seconds`` is its own time."""

    name: str
    state: str = "not run"
    result: str = ""
    seconds: float = 0.0
    error: BaseException | None = None


def run(steps: Sequence[Step], *, title: str) -> list[Outcome]:
    """Runs all steps in the order of their needs; the first failure stops what has not begun, and is raised."""
    started = time.monotonic()
    outcomes = {step.name: Outcome(step.name) for step in steps}
    by_name = {step.name: step for step in steps}
    failed: Outcome | None = None
    order = TopologicalSorter({step.name: step.needs for step in steps})
    order.prepare()
    running: set[Future[Outcome]] = set()
    with ThreadPoolExecutor(max_workers=len(steps)) as pool:
        try:
            while order.is_active() and not failed:
                running |= {pool.submit(_run, by_name[name]) for name in order.get_ready()}
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for outcome in (future.result() for future in done):
                    outcomes[outcome.name] = outcome
                    if outcome.error:
                        failed = failed or outcome
                    else:
                        order.done(outcome.name)
            if failed:
                console.info(f"  {failed.name} failed: {failed.error}; what still runs is ended")
        finally:
            # On Ctrl-C as well; again and again, since a step may start its program only now.
            while not all(future.done() for future in running):
                process.interrupt_all()
                wait(running, timeout=AGAIN_SECONDS)
    rows = []
    for outcome in outcomes.values():
        time_taken = f"{outcome.seconds:.1f} s" if outcome.state != "not run" else ""
        rows.append((outcome.name, MARKS[outcome.state], time_taken, escape(outcome.result)))
    rows.append(("[bold]total[/]", "", f"[bold]{time.monotonic() - started:.1f} s[/]", ""))
    console.table(("stage", "", "time", "result"), rows, title=title)
    if failed and failed.error:
        raise failed.error
    return list(outcomes.values())


def _run(step: Step) -> Outcome:
    threading.current_thread().name = step.name
    began = time.monotonic()
    try:
        with console.progress(step.name):
            result = step.run()
    except BaseException as error:  # noqa: BLE001 - raised by ``run`` in the thread of the task
        return Outcome(step.name, "failed", "", time.monotonic() - began, error)
    return Outcome(step.name, "passed", result, time.monotonic() - began)
