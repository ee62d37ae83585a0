"""What a source of advisories answers: one that is busy for a moment must fail nobody's pull request."""

from typing import Any

import httpx

from pipeline.core.waiting import persistent


def answered(
    method: str, address: str, *, timeout: httpx.Timeout | float, **request: Any
) -> httpx.Response:
    """A successful answer, asked for again while the source is busy or breaks off; raises httpx.HTTPError.

    One that cannot be reached is not waited for: on a machine without a network it never can be.
    """

    def once() -> httpx.Response:
        answer = httpx.request(method, address, timeout=timeout, follow_redirects=True, **request)
        return answer.raise_for_status()

    return persistent(once, _passes)


def _passes(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        busy = error.response.status_code == httpx.codes.TOO_MANY_REQUESTS
        return busy or error.response.is_server_error
    return isinstance(error, (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError))
