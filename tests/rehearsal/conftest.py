"""GitHub's API as its stand-in serves it."""

from collections.abc import Iterator

import pytest

from localgithub import api as stand_in
from localgithub import server


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[stand_in.Store]:
    with server.serve() as (url, store):
        monkeypatch.setenv("GITHUB_API_URL", url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
        monkeypatch.setenv("GITHUB_TOKEN", "job-token")
        yield store
