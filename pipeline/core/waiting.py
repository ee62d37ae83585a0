"""Waits for a condition instead of for a time, and for what passes by itself."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.3
#: Seconds before each further try of a call to another's service.
AGAIN_SECONDS = (2, 10, 30)
Answer = TypeVar("Answer")


def wait(check: Callable[[], object], *, timeout: float, interval: float = POLL_SECONDS) -> bool:
    """Whether ``check`` became true within ``timeout`` seconds; it is asked every ``interval`` seconds."""
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


def persistent(call: Callable[[], Answer], passes: Callable[[Exception], bool]) -> Answer:
    """What a call returns, made again a few times while what it raises ``passes`` by itself."""
    for seconds in AGAIN_SECONDS:
        try:
            return call()
        except Exception as error:
            if not passes(error):
                raise
        time.sleep(seconds)
    return call()
