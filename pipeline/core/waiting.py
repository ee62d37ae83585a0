"""Waits for a condition instead of for a time."""

from collections.abc import Callable

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

POLL_SECONDS = 0.3


def wait(check: Callable[[], bool], *, timeout: float, interval: float = POLL_SECONDS) -> bool:
    """Whether ``check`` became true within ``timeout`` seconds."""
    try:
        return bool(
            Retrying(
                retry=retry_if_result(lambda done: not done),
                wait=wait_fixed(interval),
                stop=stop_after_delay(timeout),
            )(check)
        )
    except RetryError:
        return False
