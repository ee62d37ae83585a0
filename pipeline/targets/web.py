"""Asks a deployed application who it is, over HTTP as a user would."""

import functools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

#: Seconds that one request may take before it counts as unanswered.
REQUEST_SECONDS = 5
#: Seconds between two questions while waiting.
INTERVAL = 0.1


@dataclass(frozen=True)
class Via:
    """How an address is reached behind which several load balancers stand: the name of the one that is meant, and the
    certificate of the authority that vouches for it."""

    host: str
    authority: Path

    def options(self) -> dict[str, Any]:
        """For a request or a client of httpx."""
        return {"headers": {"Host": self.host}, "verify": _trusting(self.authority)}


#: A URL that answers, and how it is reached where its name alone does not lead there.
Reached = tuple[str, Via | None]


@functools.cache
def _trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


@dataclass(frozen=True)
class Answers:
    """What ``/version`` said: the answers by hostname, and the last problem seen (empty when none)."""

    by_host: dict[str, dict[str, Any]]
    problem: str


def ask(url: str, via: Via | None = None) -> dict[str, Any]:
    """The JSON of ``/version``; raises httpx.HTTPError, or ValueError for an answer that is no JSON object."""
    response = _get(f"{url.rstrip('/')}/version", via)
    response.raise_for_status()
    answer = response.json()
    if not isinstance(answer, dict):
        raise ValueError(f"/version answered {answer!r}")
    return answer


def is_ready(url: str, via: Via | None = None) -> bool:
    """Whether ``/readyz`` answers 200 now."""
    try:
        return _get(f"{url.rstrip('/')}/readyz", via).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def gather(
    url: str,
    via: Via | None = None,
    *,
    enough: Callable[[dict[str, dict[str, Any]]], bool],
    timeout: float,
    on_answer: Callable[[str], None] = lambda _: None,
) -> Answers:
    """Asks ``/version`` until ``enough`` says that the answers by hostname suffice, or ``timeout`` seconds are over."""
    by_host: dict[str, dict[str, Any]] = {}
    problem = ""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            answer = ask(url, via)
            by_host[str(answer["hostname"])] = answer
            problem = ""
            on_answer(f"{len(by_host)} replicas answered")
        except (httpx.HTTPError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
            on_answer(problem)
        if enough(by_host):
            return Answers(by_host, "")
        time.sleep(INTERVAL)
    return Answers(by_host, problem)


def _get(url: str, via: Via | None) -> httpx.Response:
    return httpx.get(url, timeout=REQUEST_SECONDS, **(via.options() if via else {}))
