"""Steps run after what they need; the first failure stops what has not begun, and is what the caller hears."""

import threading

import pytest

from pipeline import graph
from pipeline.errors import PipelineError
from pipeline.graph import Step


def test_independent_steps_run_side_by_side_and_dependent_ones_after() -> None:
    both = threading.Barrier(2, timeout=10)
    order: list[str] = []

    def side(name: str) -> str:
        both.wait()
        order.append(name)
        return ""

    outcomes = graph.run(
        [
            Step("last", lambda: order.append("last") or "", needs=["a", "b"]),
            Step("a", lambda: side("a")),
            Step("b", lambda: side("b")),
        ],
        title="demo",
    )
    assert order[-1] == "last"
    assert {one.state for one in outcomes} == {"passed"}


def test_a_failure_stops_the_rest_and_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> str:
        raise PipelineError("it broke", next_step="mend it")

    ran: list[str] = []
    with pytest.raises(PipelineError, match="it broke"):
        graph.run(
            [Step("first", broken), Step("second", lambda: ran.append("x") or "", needs=["first"])],
            title="demo",
        )
    assert not ran
    shown = capsys.readouterr().out
    assert "failed" in shown
    assert "not run" in shown
