"""Target health, decided as an Application Load Balancer decides it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localaws.elb.health import (
    FAILED,
    LOOK,
    PASSED,
    TIMED_OUT,
    Check,
    Health,
    State,
    held_up,
    matches,
    mismatch,
)

CHECK = Check(healthy_threshold=3, unhealthy_threshold=2)


def after(*outcomes: bool) -> Health:
    health = Health()
    for passed in outcomes:
        health.record(CHECK, PASSED if passed else FAILED)
    return health


def test_a_new_target_is_initial_and_says_so() -> None:
    health = Health()
    assert (health.state, health.reason) == (State.INITIAL, "Elb.InitialHealthChecking")


def test_one_passed_check_makes_a_new_target_healthy() -> None:
    assert after(True).state is State.HEALTHY
    assert after(False, True).state is State.HEALTHY


def test_a_new_target_fails_only_at_the_threshold() -> None:
    assert after(False).state is State.INITIAL
    assert after(False, False).state is State.UNHEALTHY


def test_a_healthy_target_survives_fewer_failures_than_the_threshold() -> None:
    assert after(True, False, True, False).state is State.HEALTHY
    assert after(True, False, False).state is State.UNHEALTHY


def test_an_unhealthy_target_needs_its_threshold_in_a_row() -> None:
    assert after(False, False, True, True).state is State.UNHEALTHY
    assert after(False, False, True, True, False, True, True).state is State.UNHEALTHY
    assert after(False, False, True, True, True).state is State.HEALTHY


def test_the_reason_is_the_last_failure_and_goes_with_health() -> None:
    health = Health()
    health.record(CHECK, TIMED_OUT)
    health.record(CHECK, mismatch(503))
    assert health.reason == "Target.ResponseCodeMismatch"
    assert health.description == "Health checks failed with these codes: [503]"
    health.record(CHECK, TIMED_OUT)
    assert (health.reason, health.description) == ("Target.Timeout", "Request timed out")
    for _ in range(CHECK.healthy_threshold):
        health.record(CHECK, PASSED)
    assert (health.reason, health.description) == ("", "")


def test_record_says_whether_the_state_changed() -> None:
    health = Health()
    assert health.record(CHECK, PASSED)
    assert not health.record(CHECK, PASSED)
    assert not health.record(CHECK, FAILED)
    assert health.record(CHECK, FAILED)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.booleans(), max_size=40))
def test_health_follows_the_last_checks_alone(outcomes: list[bool]) -> None:
    state = after(*outcomes).state
    tail = outcomes[-CHECK.unhealthy_threshold :]
    if len(tail) == CHECK.unhealthy_threshold and not any(tail):
        assert state is State.UNHEALTHY
    tail = outcomes[-CHECK.healthy_threshold :]
    if len(tail) == CHECK.healthy_threshold and all(tail):
        assert state is State.HEALTHY
    assert (state is State.INITIAL) == (
        True not in outcomes and len(outcomes) < CHECK.unhealthy_threshold
    )


@pytest.mark.parametrize(
    ("matcher", "code", "expected"),
    [
        ("200", 200, True),
        ("200", 204, False),
        ("200,302", 302, True),
        ("200-299", 204, True),
        ("200-299", 300, False),
        ("200, 301-399", 399, True),
    ],
)
def test_matcher(matcher: str, code: int, expected: bool) -> None:
    assert matches(matcher, code) is expected


@pytest.mark.parametrize(
    ("seconds", "looks", "held"),
    [(0.01, 0, False), (3, 30, False), (3, 25, False), (3, 8, True), (60, 3, True)],
)
def test_a_check_is_held_up_where_the_checker_comes_round_too_seldom(
    seconds: float, looks: int, held: bool
) -> None:
    assert held_up(seconds, looks) is held
    assert not held_up(seconds, int(seconds / LOOK))
