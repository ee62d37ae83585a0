"""Asks a deployed application for its version and readiness, over HTTP as a user would."""

import functools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import wait
from pipeline.releases.project import Probes, project

#: Seconds that one request may take before it counts as unanswered.
REQUEST_SECONDS = 5
#: Seconds between two questions while waiting.
INTERVAL = 0.1
#: Seconds for every replica to have answered. Much more than it takes; a verify that fails should be believed.
PATIENCE = 60
#: And for each replica: whom the load balancer picks is chance, and fifty have answered after some 230 requests.
REPLICA_PATIENCE = 5


@dataclass(frozen=True)
class Via:
    """How to reach a load balancer by an address that is not its name: the host that is meant, and who vouches for it.

    ``authority`` is the certificate of a local authority; None where the host's certificate is a public one.
    """

    host: str
    authority: Path | None = None


#: A URL that answers, and how it is reached where its name alone does not lead there.
Reached = tuple[str, Via | None]


@functools.cache
def _trusted(authority: Path | None) -> ssl.SSLContext:
    """An authority, or the public ones; each request by itself would read them again."""
    return ssl.create_default_context(cafile=authority) if authority else httpx.create_ssl_context()


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


def ask(url: str, via: Via | None = None, probes: Probes | None = None) -> dict[str, Any]:
    """The JSON of the version probe; raises httpx.HTTPError, or ValueError for an answer that is no JSON object."""
    response = get(url, (probes or project().probes).version, via)
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


def is_ready(url: str, via: Via | None = None, probes: Probes | None = None) -> bool:
    """Whether the readiness probe is answered without an error now; a redirect is none, as for Kubernetes."""
    try:
        ready = (probes or project().probes).ready
        return get(url, ready, via).status_code < httpx.codes.BAD_REQUEST
    except httpx.HTTPError:
        return False


def verify(
    reached: Reached,
    digest: str,
    replicas: int,
    last_lines: Callable[[], list[str]],
    runs: Callable[[], bool],
    *,
    probes: Probes | None = None,
) -> Reached:
    """Asks until ``replicas`` hostnames have answered with ``digest`` (empty: any image), and the URL is ready.

    An application without a version probe cannot answer: ``runs`` says whether the engine runs it in every replica. By
    default the probes are those of the work tree.

    Raises PipelineError after the patience; the cause names the answers, the last problem and the log's last line.
    """
    url, via = reached
    probes = probes or project().probes
    images: dict[str, str] = {}
    problem = ""

    def enough() -> bool:
        nonlocal problem
        if not probes.version:
            problem = "" if runs() else "it does not run so"
            return not problem and is_ready(url, via, probes)
        try:
            answer = ask(url, via, probes)
            images[str(answer["hostname"])] = str(answer.get("image"))
            problem = ""
        except (httpx.HTTPError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
        step.update(problem or f"{len(images)} replicas answered")
        right = [image for image in images.values() if digest in ("", image)]
        return len(right) >= replicas and is_ready(url, via, probes)

    with console.progress(f"verify {url}") as step:
        patience = PATIENCE + REPLICA_PATIENCE * replicas
        if wait(enough, timeout=patience, interval=INTERVAL):
            return reached
        lines = last_lines()
        seen = [f"{host} runs {image[7:19]}" for host, image in images.items()]
        wanted = f"{replicas} replicas of {digest[7:19]}" if digest else "an answer"
        raise PipelineError(
            f"{wanted} and 200 from {url}{probes.ready} were wanted; answers: {', '.join(seen) or 'none'}"
            + (f"; last problem: {problem}" if problem else "")
            + (f"; last line of the log: {lines[-1]}" if lines else ""),
            next_step="run ./inv status, and fix what the log says",
            report=markdown.last_lines("verify", lines),
        )


def get(url: str, path: str, via: Via | None) -> httpx.Response:
    address, authority = f"{url.rstrip('/')}{path}", via.authority if via else None
    headers = {"Host": via.host} if via else {}
    extensions = {"sni_hostname": via.host} if via and not authority else {}
    with httpx.Client(timeout=REQUEST_SECONDS, verify=_trusted(authority)) as client:
        return client.get(address, headers=headers, extensions=extensions)
