"""Waits for a condition instead of for a time."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.3


def wait(check: Callable[[], object], *, timeout: float, interval: float = POLL_SECONDS) -> bool:
    """Whether ``check`` became true within ``timeout`` seconds; it is asked every ``interval`` seconds."""
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True
