"""Image registries that answer from here. One that does not is not asked again for some minutes."""

import json
import time

import httpx

from pipeline.core import files
from pipeline.core.paths import LOCAL

PROBE_SECONDS = 3
#: Seconds that an answer is remembered: a network that comes up should be noticed soon.
REMEMBER_YES = 3600
REMEMBER_NO = 600
MEMORY = LOCAL / "registries.json"


def answers(registry: str) -> bool:
    """Whether a registry (a host with an optional port and path) can be reached now."""
    host = registry.partition("/")[0]
    entry = (files.read_json(MEMORY) or {}).get(host)
    if entry and entry["until"] > time.time():
        return bool(entry["answers"])
    return _remember(host, answers=_probe(host))


def forget(registry: str) -> None:
    """Counts a registry as not answering for a while: it did answer, but an image could not be pulled from it."""
    _remember(registry.partition("/")[0], answers=False)


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine, where engines speak plain HTTP to it."""
    return host.partition(":")[0] in ("localhost", "127.0.0.1")


def base_url(registry: str) -> str:
    """The address of a registry's API, without ``/v2/``."""
    host = registry.partition("/")[0]
    host = "registry-1.docker.io" if host == "docker.io" else host
    return f"{'http' if is_loopback(host) else 'https'}://{host}"


def _remember(host: str, *, answers: bool) -> bool:
    until = time.time() + (REMEMBER_YES if answers else REMEMBER_NO)
    entries = files.read_json(MEMORY) or {}
    entries[host] = {"answers": answers, "until": until}
    files.write(MEMORY, json.dumps(entries, indent=1))
    return answers


def _probe(host: str) -> bool:
    try:
        response = httpx.get(f"{base_url(host)}/v2/", timeout=PROBE_SECONDS)
    except httpx.HTTPError:
        return False
    # 401 is a registry that wants a token for the next request, as most do.
    return response.status_code in (httpx.codes.OK, httpx.codes.UNAUTHORIZED)
