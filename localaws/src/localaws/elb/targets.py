"""Registered targets with their health, and those that drain. Thread-safe, no network."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from localaws.elb.health import Check, Health, Outcome, State

_DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")


@dataclass(frozen=True)
class Target:
    """One registration: the target group's ARN, the address and the port."""

    group: str
    address: str
    port: int


@dataclass
class Registration:
    """A target's health and since when it is registered or until when it drains (seconds of the clock)."""

    health: Health
    since: float
    drained_at: float | None = None


@dataclass
class Tracker:
    """The health of all targets. ``clock`` returns seconds and never goes back."""

    clock: Callable[[], float] = time.monotonic
    _registrations: dict[Target, Registration] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def sync(self, group: str, registered: Iterable[tuple[str, int]], delay: float) -> None:
        """Takes over the registrations of a group; what is no longer there drains for ``delay`` seconds."""
        # In the order of registration, so that requests go round in it.
        wanted = dict.fromkeys(Target(group, address, port) for address, port in registered)
        now = self.clock()
        with self._changed:
            changed = False
            for target in wanted:
                registration = self._registrations.get(target)
                if registration is None or registration.drained_at is not None:
                    self._registrations[target] = Registration(Health(), since=now)
                    changed = True
            for target, registration in self._registrations.items():
                gone = target.group == group and target not in wanted
                if gone and registration.drained_at is None:
                    registration.drained_at = now + delay
                    registration.health = Health(State.DRAINING, *_DRAINING)
                    changed = True
            self._forget_drained(now)
            if changed:
                self._changed.notify_all()

    def record(self, target: Target, check: Check, outcome: Outcome) -> None:
        """Takes in the outcome of one check; outcomes of targets that have gone are ignored."""
        with self._changed:
            registration = self._registrations.get(target)
            if registration is None or registration.drained_at is not None:
                return
            if registration.health.record(check, outcome):
                self._changed.notify_all()

    def registered(self) -> dict[Target, float]:
        """All targets that are to be checked, with the time of their registration."""
        with self._changed:
            return {
                target: registration.since
                for target, registration in self._registrations.items()
                if registration.drained_at is None
            }

    def health(self, target: Target) -> Health | None:
        """The target's health, or None when it is not known."""
        with self._changed:
            registration = self._registrations.get(target)
            return registration.health if registration else None

    def describe(self, group: str) -> list[tuple[Target, Health]]:
        """All targets of a group, the draining ones too."""
        with self._changed:
            self._forget_drained(self.clock())
            return [
                (target, registration.health)
                for target, registration in self._registrations.items()
                if target.group == group
            ]

    def routable(self, group: str) -> list[Target]:
        """The targets that get requests: the healthy ones, or all unhealthy ones when none is healthy (fail open)."""
        with self._changed:
            states = {
                target: registration.health.state
                for target, registration in self._registrations.items()
                if target.group == group
            }
        for wanted in (State.HEALTHY, State.UNHEALTHY):
            chosen = [target for target, state in states.items() if state is wanted]
            if chosen:
                return chosen
        return []

    def wait(self, seconds: float) -> None:
        """Returns when some target's state has changed, or after ``seconds``."""
        with self._changed:
            self._changed.wait(seconds)

    def _forget_drained(self, now: float) -> None:
        for target, registration in list(self._registrations.items()):
            if registration.drained_at is not None and registration.drained_at <= now:
                del self._registrations[target]
