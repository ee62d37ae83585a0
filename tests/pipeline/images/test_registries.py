"""A registry that is busy for a moment fails no release, and is no image without statements."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import httpx
import pytest

from pipeline.core import waiting
from pipeline.core.errors import PipelineError
from pipeline.images import referrers, registries
from tests.answering import served


class Busy(BaseHTTPRequestHandler):
    """Answers what is left to be answered, and then well."""

    left: ClassVar[list[int]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.command)
        status = self.left.pop(0) if self.left else 200
        manifest = (
            {"layers": [{"size": 2, "digest": "sha256:1"}]} if status == httpx.codes.OK else {}
        )
        body = json.dumps(manifest).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests read what is raised."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (0, 0))
    Busy.asked.clear()
    with served(Busy) as address:
        yield f"{address.removeprefix('http://')}/shop"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_asked_again(status: int, repository: str) -> None:
    Busy.left[:] = [status, status]
    assert registries.call("GET", repository, "manifests/latest", None).is_success
    assert len(Busy.asked) == 3
    Busy.left[:] = [status] * 3
    with pytest.raises(PipelineError, match=f"does not answer.*{status}"):
        registries.call("GET", repository, "manifests/latest", None)


def test_what_may_have_been_done_is_not_done_again(repository: str) -> None:
    Busy.left[:] = [503]
    with pytest.raises(PipelineError, match="503"):
        registries.call("POST", repository, "blobs/uploads/", None)
    assert len(Busy.asked) == 1


def test_a_registry_that_is_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", (3600,))
    with pytest.raises(PipelineError, match="does not answer"):
        registries.call("GET", "127.0.0.1:1/shop", "manifests/latest", None)


def test_a_statement_that_cannot_be_read_now_is_not_a_missing_one(repository: str) -> None:
    Busy.left[:] = [503] * 3
    with pytest.raises(PipelineError, match="does not answer"):
        referrers._content(repository, "sha256:2", None)
    for missing in ([404], [200, 404], [400], [200, 400]):
        Busy.left[:] = missing
        assert referrers._content(repository, "sha256:2", None) == b""
