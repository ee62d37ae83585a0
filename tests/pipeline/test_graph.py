"""Steps run after what they need; the first failure stops what has not begun, and is raised."""

import threading
from pathlib import Path

import pytest

from pipeline.core import graph, process
from pipeline.core.errors import PipelineError
from pipeline.core.graph import Step


def test_independent_steps_run_side_by_side_and_dependent_ones_after() -> None:
    both = threading.Barrier(2, timeout=10)
    order: list[str] = []

    def last() -> str:
        order.append("last")
        return ""

    def side(name: str) -> str:
        both.wait()
        order.append(name)
        return ""

    outcomes = graph.run(
        [
            Step("last", last, needs=["a", "b"]),
            Step("a", lambda: side("a")),
            Step("b", lambda: side("b")),
        ],
        title="demo",
    )
    assert order[-1] == "last"
    assert {outcome.state for outcome in outcomes} == {"passed"}


def test_a_failure_stops_the_rest_and_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> str:
        raise PipelineError("it broke", next_step="fix it")

    ran: list[str] = []

    def second() -> str:
        ran.append("x")
        return ""

    steps = [Step("first", broken), Step("second", second, needs=["first"])]
    with pytest.raises(PipelineError, match="it broke"):
        graph.run(steps, title="demo")
    assert not ran
    shown = capsys.readouterr().out
    assert "failed" in shown
    assert "not run" in shown


def test_a_failure_ends_programs_that_other_steps_start_after_it(tmp_path: Path) -> None:
    failed = threading.Event()

    def broken() -> str:
        failed.set()
        raise PipelineError("it broke", next_step="fix it")

    def slow() -> str:
        failed.wait(10)
        # Well after the failure was seen: the program is not there yet when the others are ended.
        threading.Event().wait(1)
        try:
            process.run(["sleep", "60"], log=tmp_path / "log")
        except PipelineError as error:
            ended.append(error)
        return ""

    ended: list[PipelineError] = []
    with pytest.raises(PipelineError, match="it broke"):
        graph.run([Step("broken", broken), Step("slow", slow)], title="demo")
    assert len(ended) == 1
