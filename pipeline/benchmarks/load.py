"""Constant-rate HTTP load generator."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

WORKERS = 40


@dataclass
class Load:
    """Requests sent, failures with their second, and the seconds that each answer took."""

    sent: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@contextmanager
def constant(url: str, rate: float, *, fresh: bool = False) -> Iterator[Load]:
    """Sends ``rate`` requests a second from several connections as long as the body runs.

    With ``fresh`` each has a connection of its own, so that a pod which is new gets its share at once.
    """
    load, stop = Load(), threading.Event()
    began = time.monotonic()

    def request(client: httpx.Client) -> None:
        asked = time.monotonic()
        try:
            status = client.get(url).status_code
            problem = "" if status == httpx.codes.OK else f"status {status}"
        except httpx.HTTPError as error:
            problem = repr(error)
        load.seconds.append(time.monotonic() - asked)
        if problem:
            load.failures.append(f"{time.monotonic() - began:.1f} s: {problem}")

    def send(client: httpx.Client, pool: ThreadPoolExecutor) -> None:
        while not stop.is_set():
            pool.submit(request, client)
            load.sent += 1
            stop.wait(max(0.0, began + load.sent / rate - time.monotonic()))

    with (
        httpx.Client(
            timeout=20,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=WORKERS, max_keepalive_connections=0 if fresh else None
            ),
        ) as client,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        sender = threading.Thread(target=send, args=(client, pool))
        sender.start()
        try:
            yield load
        finally:
            stop.set()
            sender.join()
