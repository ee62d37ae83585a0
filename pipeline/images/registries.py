"""Image registries that answer from here: each is asked once in a task."""

import httpx

PROBE_SECONDS = 3

_answers: dict[str, bool] = {}


def answers(registry: str) -> bool:
    """Whether a registry (a host with an optional port and path) can be reached."""
    host = registry.partition("/")[0]
    if host not in _answers:
        _answers[host] = _probe(host)
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


def _probe(host: str) -> bool:
    try:
        response = httpx.get(f"{base_url(host)}/v2/", timeout=PROBE_SECONDS)
    except httpx.HTTPError:
        return False
    # 401 is a registry that wants a token for the next request, as most do.
    return response.status_code in (httpx.codes.OK, httpx.codes.UNAUTHORIZED)
