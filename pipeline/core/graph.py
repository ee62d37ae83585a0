"""Runs the steps of a path side by side where they do not depend on each other, and shows what became of each."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
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
    needs: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Outcome:
    """What became of a step: ``state`` is passed, failed or not run; ``seconds`` is its own time."""

    name: str
    state: str
    result: str
    seconds: float


def run(steps: Sequence[Step], *, title: str) -> list[Outcome]:
    """Runs all steps in the order of their needs; the first failure stops what has not begun.

    Raises:
        Exception: What the first failing step raised, after the table has been shown.
    """
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    failed = ""
    failure: BaseException | None = None
    order = TopologicalSorter({step.name: set(step.needs) for step in steps})
    order.prepare()
    by_name = {step.name: step for step in steps}
    running: dict[Future[str], tuple[Step, float]] = {}
    executor = ThreadPoolExecutor(max_workers=len(steps))
    try:
        while order.is_active() and failure is None:
            for name in order.get_ready():
                running[executor.submit(_one, by_name[name])] = (by_name[name], time.monotonic())
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                step, began = running.pop(future)
                error = future.exception()
                seconds = time.monotonic() - began
                if error is None:
                    outcomes[step.name] = Outcome(step.name, "passed", future.result(), seconds)
                    order.done(step.name)
                else:
                    outcomes[step.name] = Outcome(step.name, "failed", "", seconds)
                    failed, failure = (failed, failure) if failure else (step.name, error)
        if failure is not None:
            console.info(f"  {failed} failed: {failure}; what still runs is ended")
            _end(running)
    except KeyboardInterrupt:
        _end(running)
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    results = [outcomes.get(step.name, Outcome(step.name, "not run", "", 0.0)) for step in steps]
    _show(results, title, time.monotonic() - started)
    if failure is not None:
        raise failure
    return results


def _end(running: Mapping[Future[str], tuple[Step, float]]) -> None:
    """Ends the programs of steps that are under way, also one that a step starts only now."""
    while not all(future.done() for future in running):
        process.interrupt_all()
        wait(running, timeout=AGAIN_SECONDS)


def _one(step: Step) -> str:
    threading.current_thread().name = step.name
    with console.progress(step.name):
        return step.run()


def _show(outcomes: Sequence[Outcome], title: str, seconds: float) -> None:
    rows = [
        (
            outcome.name,
            MARKS[outcome.state],
            f"{outcome.seconds:.1f} s" if outcome.state != "not run" else "",
            escape(outcome.result),
        )
        for outcome in outcomes
    ]
    total = ("[bold]total[/]", "", f"[bold]{seconds:.1f} s[/]", "")
    console.table(("stage", "", "time", "result"), [*rows, total], title=title)
