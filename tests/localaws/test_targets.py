"""Who gets requests: registration, health, draining."""

import threading
from dataclasses import dataclass

import pytest
from localaws.elb.health import FAILED, PASSED, Check, State
from localaws.elb.targets import Target, Tracker

CHECK = Check(healthy_threshold=2, unhealthy_threshold=2)
ONE, TWO = Target("group", "10.0.0.1", 5000), Target("group", "10.0.0.2", 5000)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracker(clock: Clock) -> Tracker:
    return Tracker(clock)


def register(tracker: Tracker, *targets: Target, delay: float = 30) -> None:
    tracker.sync("group", [(one.address, one.port) for one in targets], delay)


def state(tracker: Tracker, target: Target) -> State | None:
    health = tracker.health(target)
    return health.state if health else None


def fail(tracker: Tracker, target: Target) -> None:
    for _ in range(CHECK.unhealthy_threshold):
        tracker.record(target, CHECK, FAILED)


def test_a_new_target_gets_no_request_until_it_is_healthy(tracker: Tracker) -> None:
    register(tracker, ONE)
    assert tracker.routable("group") == []
    tracker.record(ONE, CHECK, PASSED)
    assert tracker.routable("group") == [ONE]


def test_an_unhealthy_target_gets_requests_only_when_none_is_healthy(tracker: Tracker) -> None:
    register(tracker, ONE, TWO)
    tracker.record(ONE, CHECK, PASSED)
    fail(tracker, TWO)
    assert tracker.routable("group") == [ONE]
    fail(tracker, ONE)
    assert tracker.routable("group") == [ONE, TWO]


def test_what_is_deregistered_drains_for_the_delay_and_gets_no_request(
    tracker: Tracker, clock: Clock
) -> None:
    register(tracker, ONE, TWO)
    for target in (ONE, TWO):
        tracker.record(target, CHECK, PASSED)
    register(tracker, TWO)
    assert tracker.routable("group") == [TWO]
    assert state(tracker, ONE) is State.DRAINING
    assert ONE not in tracker.registered()
    clock.now += 29.9
    assert {target for target, _ in tracker.describe("group")} == {ONE, TWO}
    clock.now += 0.2
    assert {target for target, _ in tracker.describe("group")} == {TWO}


def test_a_draining_target_does_not_count_its_checks(tracker: Tracker) -> None:
    register(tracker, ONE)
    register(tracker)
    tracker.record(ONE, CHECK, PASSED)
    assert state(tracker, ONE) is State.DRAINING


def test_a_target_that_comes_back_starts_anew(tracker: Tracker, clock: Clock) -> None:
    register(tracker, ONE)
    tracker.record(ONE, CHECK, PASSED)
    register(tracker)
    clock.now += 5
    register(tracker, ONE)
    assert state(tracker, ONE) is State.INITIAL
    assert tracker.registered() == {ONE: clock.now}


def test_registering_again_keeps_the_health(tracker: Tracker, clock: Clock) -> None:
    register(tracker, ONE)
    tracker.record(ONE, CHECK, PASSED)
    clock.now += 5
    register(tracker, ONE, TWO)
    assert state(tracker, ONE) is State.HEALTHY
    assert tracker.registered()[ONE] == clock.now - 5


def test_groups_do_not_touch_each_other(tracker: Tracker) -> None:
    register(tracker, ONE)
    tracker.record(ONE, CHECK, PASSED)
    tracker.sync("other", [], 0)
    assert tracker.routable("group") == [ONE]
    assert tracker.routable("other") == []


def test_an_outcome_that_comes_too_late_is_ignored(tracker: Tracker) -> None:
    tracker.record(ONE, CHECK, PASSED)
    assert tracker.health(ONE) is None


def test_waiting_ends_when_a_state_changes(tracker: Tracker) -> None:
    register(tracker, ONE)
    done = threading.Event()

    def wait() -> None:
        tracker.wait(30)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not done.is_set():
        # Whenever the other thread begins to wait, the next change ends it.
        tracker.record(ONE, CHECK, PASSED)
        fail(tracker, ONE)
        for _ in range(CHECK.healthy_threshold):
            tracker.record(ONE, CHECK, PASSED)
        done.wait(0.01)
    thread.join(5)
    assert not thread.is_alive()
