"""Target health as an Application Load Balancer decides it: pure logic, no clock, no network.
Follows https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from dataclasses import dataclass
from enum import StrEnum

#: Seconds between two looks of the checker at what is registered, when it gets its turn.
LOOK = 0.1


class State(StrEnum):
    """The states that DescribeTargetHealth names."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclass(frozen=True)
class Check:
    """The health check of a target group; times in seconds."""

    path: str = "/"
    matcher: str = "200"
    interval: float = 30
    timeout: float = 5
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    port: int | None = None  # None: the port that takes the traffic
    scheme: str = "http"
    enabled: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one check found; ``reason`` and ``description`` as DescribeTargetHealth gives them, empty if it passed."""

    passed: bool
    reason: str = ""
    description: str = ""


PASSED = Outcome(True)
TIMED_OUT = Outcome(False, "Target.Timeout", "Request timed out")
FAILED = Outcome(False, "Target.FailedHealthChecks", "Health checks failed")
_CHECKING = ("Elb.InitialHealthChecking", "Initial health checks in progress")


def mismatch(code: int) -> Outcome:
    """The outcome of an answer whose status code the matcher does not take."""
    return Outcome(
        False, "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{code}]"
    )


def held_up(seconds: float, looks: int) -> bool:
    """Whether a check that took so long, with so many looks meanwhile, was held up by the checker's own neighbours."""
    return looks < int(seconds / LOOK) / 2


def matches(matcher: str, code: int) -> bool:
    """Whether a matcher such as ``200``, ``200,302`` or ``200-299`` takes the status code."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if int(low) <= code <= int(high or low):
            return True
    return False


@dataclass
class Health:
    """A target's health; ``record`` moves it on."""

    state: State = State.INITIAL
    reason: str = _CHECKING[0]
    description: str = _CHECKING[1]
    passes: int = 0
    failures: int = 0

    def record(self, check: Check, outcome: Outcome) -> bool:
        """Takes in one check's outcome; True when the state has changed."""
        if outcome.passed:
            self.passes, self.failures = self.passes + 1, 0
            wanted = 1 if self.state is State.INITIAL else check.healthy_threshold
            if self.state is State.HEALTHY or self.passes < wanted:
                return False
            self.state, self.reason, self.description = State.HEALTHY, "", ""
            return True
        self.passes, self.failures = 0, self.failures + 1
        if self.state is not State.UNHEALTHY and self.failures < check.unhealthy_threshold:
            return False
        changed = self.state is not State.UNHEALTHY
        self.state = State.UNHEALTHY
        self.reason, self.description = outcome.reason, outcome.description
        return changed
