"""`./inv logs` prints each line once, in order, from whichever target, and nothing that a terminal would obey."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import targets
from pipeline.commands import logs as command
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.targets import compose, compose_operations, kubernetes, kubernetes_operations
from pipeline.targets.logs import Line

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def line(seconds: float, text: str, replica: str = "web-1") -> Line:
    return Line(NOON + timedelta(seconds=seconds), replica, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plain words", "plain words"),
        ('{"level": "info", "message": "GET /", "status": 200}', "info GET / status=200"),
        ('{"message": "no level", "time": "now", "logger": "x"}', "no level"),
        ('{"level": "info"}', '{"level": "info"}'),
        ("[1, 2]", "[1, 2]"),
        ("{broken", "{broken"),
    ],
)
def test_fields_of_json_are_picked_out_and_other_lines_stay(text: str, told: str) -> None:
    assert str(line(0, text, "0123456789abcdef")) == f"12:00:00 89abcdef {told}"


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert "\x1b" not in str(line(0, "\x1b[2Jgone"))
    assert "\n" not in str(line(0, '{"message": "a\\nb"}'))


def test_lines_of_all_replicas_come_in_order_and_once() -> None:
    lines = [line(2, "b", "web-2"), line(1, "a"), line(2, "b", "web-2")]
    assert list(command.fresh(lambda _: lines, NOON, follow=False)) == [lines[1], lines[0]]


def test_what_is_new_follows_also_when_it_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "FOLLOW_SECONDS", 0)
    asked: list[datetime] = []
    late, looks = line(25, "late"), iter([[line(1, "a"), line(30, "b")], [], [line(40, "c")]])

    def read(since: datetime) -> list[Line]:
        asked.append(since)
        return [line(30, "b"), late, *next(looks)]

    found = list(islice(command.fresh(read, NOON, follow=True), 4))
    assert [each.text for each in found] == ["a", "late", "b", "c"]
    # Far enough back for what is late, and no further.
    assert asked == [NOON, NOON + timedelta(seconds=20), NOON + timedelta(seconds=20)]


def test_pods_and_the_services_container_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    pods = (
        "[pod/shop-7f-abc/web] 2026-11-26T12:00:01.123456789Z one\n"
        "[pod/shop-7f-abc/web] 2026-11-26T12:00:02Z two\nnoise\n"
    )
    cluster = SimpleNamespace(run=lambda *_: pods)
    monkeypatch.setattr(kubernetes, "connect", lambda: cluster)
    own = b"2026-11-26T12:00:01.123456789Z one\n2026-11-26T12:00:02Z two\n"
    container = SimpleNamespace(name="web", logs=lambda **_: own)
    monkeypatch.setattr(compose, "container", lambda: container)
    for operations in (kubernetes_operations, compose_operations):
        found = list(operations.lines(local, NOON))
        assert [(each.time.second, each.text) for each in found] == [(1, "one"), (2, "two")]


@pytest.mark.parametrize("since", ["", "ten", "10", "10d", "-1m"])
def test_a_span_that_is_none_is_refused(since: str) -> None:
    with pytest.raises(PipelineError, match="is no time span"):
        command.run("ecs", "local", since=since, follow=False)


def _reading(monkeypatch: pytest.MonkeyPatch, *lines: Line) -> None:
    def read(*_: Any) -> Iterator[Line]:
        yield from lines

    monkeypatch.setattr(targets, "OPERATIONS", {"ecs": SimpleNamespace(lines=read)})


def test_ctrl_c_ends_it_with_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    _reading(monkeypatch, line(0, "one"))
    monkeypatch.setattr("time.sleep", interrupt)
    assert command.run("ecs", "local", since="1m", follow=True).headline == "1 lines"


def test_one_replica_and_some_fields_can_be_picked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = '{"message": "GET /", "status": 200, "path": "/", "time": "now"}'
    without = '{"message": "started", "level": "info"}'
    lines = (fields, "web-1"), (fields, "web-2"), (without, "web-2"), ("x", "web-2")
    _reading(monkeypatch, *(line(second, *each) for second, each in enumerate(lines)))
    command.run("ecs", "local", since="1m", follow=False, replica="2", fields=["status", "none"])
    printed = capsys.readouterr().out.splitlines()
    # A line that has none of them is not left empty.
    assert [each.split(maxsplit=2)[2] for each in printed] == ["status=200", "info started", "x"]
