"""Image registries: which of them answer from here, each asked once in a task, and requests to their API."""

from typing import Any
from urllib.parse import urljoin

import httpx

from pipeline.core.errors import PipelineError
from pipeline.core.waiting import persistent

PROBE_SECONDS = 3
API_SECONDS = 30

#: User and password of a registry; never on a command line.
Credentials = tuple[str, str]

_answers: dict[str, bool] = {}


def answers(registry: str) -> bool:
    """Whether a registry (a host with an optional port and path) can be reached."""
    host = registry.partition("/")[0]
    if host not in _answers:
        try:
            status = httpx.get(f"{base_url(host)}/v2/", timeout=PROBE_SECONDS).status_code
        except httpx.HTTPError:
            status = None
        # 401 is a registry that wants a token for the next request, as most do.
        _answers[host] = status in (httpx.codes.OK, httpx.codes.UNAUTHORIZED)
    return _answers[host]


def forget(registry: str) -> None:
    """Counts a registry as not answering: it did answer, but an image could not be pulled from it."""
    _answers[registry.partition("/")[0]] = False


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine, where engines speak plain HTTP to it."""
    return host.partition(":")[0] in ("localhost", "127.0.0.1")


def base_url(registry: str) -> str:
    """The address of a registry's API, without ``/v2/``."""
    host = registry.partition("/")[0]
    host = "registry-1.docker.io" if host == "docker.io" else host
    return f"{'http' if is_loopback(host) else 'https'}://{host}"


def call(
    method: str,
    repository: str,
    path: str,
    credentials: Credentials | None,
    *,
    statuses: tuple[int, ...] = (httpx.codes.OK,),
    **request: Any,
) -> httpx.Response:
    """The answer of a repository's registry (distribution-spec) to a path such as ``manifests/latest``.

    The path may be a URL that the registry named, with or without its host. Made again where the registry is busy and
    that is no second deed. Raises PipelineError where it does not answer, or with another status than these.
    """
    host, _, name = repository.partition("/")

    def once() -> httpx.Response:
        response = httpx.request(
            method,
            urljoin(f"{base_url(host)}/v2/{name}/", path),
            auth=credentials,
            timeout=API_SECONDS,
            trust_env=not is_loopback(host),
            follow_redirects=True,  # a blob lies elsewhere; httpx keeps the credentials to the registry
            **request,
        )
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            response.raise_for_status()
        return response

    def passes(error: Exception) -> bool:
        absent = is_loopback(host) and isinstance(error, httpx.ConnectError)
        return isinstance(error, httpx.HTTPError) and method != "POST" and not absent

    try:
        response = persistent(once, passes)
    except httpx.HTTPError as error:
        raise PipelineError(
            f"the registry {host} does not answer ({error})",
            next_step="check the network, or ./inv status for the local AWS",
        ) from error
    if response.status_code not in statuses:
        raise refused(repository, f"HTTP {response.status_code}")
    return response


def refused(repository: str, why: str) -> PipelineError:
    """The error of a registry that does not do what it was asked."""
    return PipelineError(
        f"the registry refused {repository}: {why}",
        next_step="check that the repository exists (./inv bootstrap) and that these credentials may use it",
    )
