"""Asks a deployed application for its version and readiness, over HTTP as a user would."""

import functools
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import wait
from pipeline.releases.project import project

#: Seconds that one request may take before it counts as unanswered.
REQUEST_SECONDS = 5
#: Seconds between two questions while waiting.
INTERVAL = 0.1
#: Seconds for every replica to have answered. Much more than it takes; a verify that fails should be believed.
PATIENCE = 60


@dataclass(frozen=True)
class Via:
    """How to reach a load balancer by an address that is not its name: the host that is meant, and who vouches for it.

    ``authority`` is the certificate of a local authority; None where the host's certificate is a public one.
    """

    host: str
    authority: Path | None = None

    def client(self, seconds: float) -> httpx.Client:
        """A client whose requests are for the host; each may take so many seconds."""
        verify = _trusting(self.authority) if self.authority else True
        client = httpx.Client(timeout=seconds, headers={"Host": self.host}, verify=verify)
        if not self.authority:
            client.event_hooks = {"request": [self._name], "response": []}
        return client

    def _name(self, request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = self.host


#: A URL that answers, and how it is reached where its name alone does not lead there.
Reached = tuple[str, Via | None]


@functools.cache
def _trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


def leads_to(domain: str, host: str) -> bool:
    """Whether a domain's name has an address of the host."""
    addresses: list[set[Any]] = []
    for name in (domain, host):
        try:
            addresses.append({entry[4][0] for entry in socket.getaddrinfo(name, None)})
        except OSError:
            addresses.append(set())
    return bool(addresses[0] & addresses[1])


def at(url: str, host: str) -> Reached:
    """How a URL is reached: by its name, or at its load balancer's host while the name does not lead there."""
    domain = str(urlsplit(url).hostname)
    if not host or domain == host or leads_to(domain, host):
        return url, None
    console.info(f"{domain} does not lead to the load balancer yet: it is asked as {host}")
    return url.replace(domain, host, 1), Via(domain)


def ask(url: str, via: Via | None = None) -> dict[str, Any]:
    """The JSON of the version probe; raises httpx.HTTPError, or ValueError for an answer that is no JSON object."""
    response = _get(url, project().probes.version, via)
    response.raise_for_status()
    answer = response.json()
    if not isinstance(answer, dict):
        raise ValueError(f"{response.url.path} answered {answer!r}")
    return answer


def answer(url: str, via: Via | None = None) -> dict[str, Any]:
    """As ``ask``, and empty where nothing answers or the application has no such probe."""
    try:
        return ask(url, via) if project().probes.version else {}
    except (httpx.HTTPError, ValueError):
        return {}


def is_ready(url: str, via: Via | None = None) -> bool:
    """Whether the readiness probe is answered without an error now; a redirect is none, as for Kubernetes."""
    try:
        return _get(url, project().probes.ready, via).status_code < httpx.codes.BAD_REQUEST
    except httpx.HTTPError:
        return False


def gather(
    url: str,
    via: Via | None = None,
    *,
    enough: Callable[[dict[str, dict[str, Any]]], bool],
    timeout: float,
    on_answer: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, dict[str, Any]], str]:
    """Asks for the version until the answers are ``enough``, or ``timeout`` seconds are over.

    Returns the answers by hostname, and the last problem (empty when there is none).
    """
    by_host: dict[str, dict[str, Any]] = {}
    problem = ""

    def sufficient() -> bool:
        nonlocal problem
        try:
            answer = ask(url, via)
            by_host[str(answer["hostname"])] = answer
            problem = ""
            on_answer(f"{len(by_host)} replicas answered")
        except (httpx.HTTPError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
            on_answer(problem)
        return enough(by_host)

    wait(sufficient, timeout=timeout, interval=INTERVAL)
    return by_host, problem


def verify(
    reached: Reached,
    digest: str,
    replicas: int,
    last_lines: Callable[[], list[str]],
    runs: Callable[[], bool],
) -> Reached:
    """Asks until ``replicas`` hostnames have answered with ``digest`` (empty: any image), and the URL is ready.

    An application without a version probe cannot answer: ``runs`` says whether the engine runs it in every replica.

    Raises:
        PipelineError: They have not within the patience; the cause names the answers and the log's last line.
    """
    url, via = reached
    if not project().probes.version:
        with console.progress(f"verify {url}"):
            if wait(lambda: runs() and is_ready(url, via), timeout=PATIENCE, interval=INTERVAL):
                return reached
            raise _unverified(url, digest, replicas, "it does not run so", last_lines())

    def enough(by_host: Mapping[str, Mapping[str, Any]]) -> bool:
        right = [answer for answer in by_host.values() if digest in ("", answer.get("image"))]
        return len(right) >= replicas and is_ready(url, via)

    with console.progress(f"verify {url}") as step:
        answers, problem = gather(url, via, enough=enough, timeout=PATIENCE, on_answer=step.update)
        if enough(answers):
            return reached
        seen = [f"{host} runs {str(answer.get('image'))[7:19]}" for host, answer in answers.items()]
        state = f"answers: {', '.join(seen) or 'none'}"
        state += f"; last problem: {problem}" if problem else ""
        raise _unverified(url, digest, replicas, state, last_lines())


def _unverified(
    url: str, digest: str, replicas: int, state: str, lines: list[str]
) -> PipelineError:
    wanted = f"{replicas} replicas of {digest[7:19]}" if digest else "an answer"
    return PipelineError(
        f"{wanted} and 200 from {url}{project().probes.ready} were wanted; {state}"
        + (f"; last line of the log: {lines[-1]}" if lines else ""),
        next_step="run ./inv status, and fix what the log says",
    )


def _get(url: str, path: str, via: Via | None) -> httpx.Response:
    address = f"{url.rstrip('/')}{path}"
    with via.client(REQUEST_SECONDS) if via else httpx.Client(timeout=REQUEST_SECONDS) as client:
        return client.get(address)
