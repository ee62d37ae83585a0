"""The orderly stop: SIGTERM turns readiness false, requests are served while balancers notice, then gunicorn stops."""

import mmap
import signal
from types import FrameType
from typing import Any

#: One byte that the gunicorn master shares with its workers.
_draining = mmap.mmap(-1, 1)


def draining() -> bool:
    """Whether this replica is about to stop and must get no new traffic."""
    return _draining[0] != 0


def set_draining(value: bool) -> None:
    """Turns readiness false, or back, in every worker."""
    _draining[0] = value


def delay_stop(arbiter: Any, drain_seconds: float) -> None:
    """Makes gunicorn's master wait ``drain_seconds`` between SIGTERM and its own graceful stop."""

    def on_alarm(_signal: int, frame: FrameType | None) -> None:
        arbiter.signal(signal.SIGTERM, frame)

    def on_term(number: int, frame: FrameType | None) -> None:
        set_draining(True)
        if drain_seconds > 0:
            signal.setitimer(signal.ITIMER_REAL, drain_seconds)
        else:
            on_alarm(number, frame)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_term)
