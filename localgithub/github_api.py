"""A stand-in for the part of GitHub's REST API that the tasks use; it keeps what it is told and checks the token."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]
#: Seconds between two looks whether it is to end.
POLL_SECONDS = 0.02


@dataclass
class Store:
    """One repository. ``calls`` are method and path of every call, in order."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    _comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _last: int = 0

    def open_pull(self, branch: str, commit: str, *labels: str) -> dict[str, Any]:
        """A pull request that a person opens; what is changed in it is what the next call sees."""
        wanted = {"title": branch, "head": branch, "base": "main"}
        pull: dict[str, Any] = self._add_pull({}, wanted)[1]
        pull["head"]["sha"] = commit
        pull["labels"] = [{"name": label} for label in labels]
        return pull

    def comments(self, number: int) -> list[dict[str, Any]]:
        """The comments of an issue or pull request."""
        return self._comments.setdefault(number, [])

    def kept(self) -> dict[str, Any]:
        """Everything that the repository was told."""
        return {
            "calls": self.calls,
            "comments": {str(number): found for number, found in self._comments.items()},
            "issues": self.issues,
            "pulls": self.pulls,
            "releases": self.releases,
        }

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        """Status and JSON for one call."""
        with self._lock:
            self.calls.append(f"{method} {path}")
            for verb, pattern, handler in self._routes():
                match = re.fullmatch(pattern, path)
                if verb == method and match:
                    return handler(*match.groups(), query, body)
        return 404, {"message": "Not Found"}

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", r"issues/(\d+)/comments", self._list_comments),
            ("POST", r"issues/(\d+)/comments", self._add_comment),
            ("PATCH", r"issues/comments/(\d+)", self._change_comment),
            ("GET", "issues", self._list_issues),
            ("POST", "issues", self._add_issue),
            ("PATCH", r"issues/(\d+)", self._change_issue),
            ("GET", "pulls", self._list_pulls),
            ("POST", "pulls", self._add_pull),
            ("GET", r"releases/tags/(.+)", self._get_release),
            ("POST", "releases", self._add_release),
            ("PATCH", r"releases/(\d+)", self._change_release),
        ]

    def _new(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        identity = {
            "id": self._last,
            "number": self._last,
            "html_url": f"https://github.example/{kind}/{self._last}",
            "user": {"type": "Bot", "login": "github-actions[bot]"},
        }
        return {**body, **identity}

    def _list_comments(self, number: str, query: dict[str, str], _: dict[str, Any]) -> Answer:
        return 200, _page(self.comments(int(number)), query)

    def _add_comment(self, number: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        self.comments(int(number)).append(self._new("comments", body))
        return 201, self.comments(int(number))[-1]

    def _change_comment(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        every = [one for comments in self._comments.values() for one in comments]
        return _change(every, identity, body)

    def _list_issues(self, query: dict[str, str], _: dict[str, Any]) -> Answer:
        found = [
            one
            for one in self.issues
            if one["state"] == query.get("state", "open")
            and query.get("labels", "") in (*one.get("labels", ()), "")
        ]
        return 200, _page(found, query)

    def _add_issue(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        self.issues.append(self._new("issues", body) | {"state": "open"})
        return 201, self.issues[-1]

    def _change_issue(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        return _change(self.issues, identity, body)

    def _list_pulls(self, query: dict[str, str], _: dict[str, Any]) -> Answer:
        head = query.get("head", "").partition(":")[2]
        found = [
            one
            for one in self.pulls
            if query.get("state", "open") in (one["state"], "all")
            and head in (one["head"]["ref"], "")
        ]
        return 200, _page(found, query)

    def _add_pull(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        self.pulls.append(
            self._new("pull", body)
            | {
                "state": "open",
                "head": {"ref": body["head"]},
                "base": {"ref": body["base"]},
                "labels": [],
            }
        )
        return 201, self.pulls[-1]

    def _get_release(self, tag: str, _: dict[str, str], __: dict[str, Any]) -> Answer:
        found = [one for one in self.releases if one["tag_name"] == tag]
        return (200, found[0]) if found else (404, {"message": "Not Found"})

    def _add_release(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        self.releases.append(self._new("releases", body))
        return 201, self.releases[-1]

    def _change_release(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        return _change(self.releases, identity, body)


@contextlib.contextmanager
def serve(
    repository: str = "owner/name",
    token: str = "job-token",  # noqa: S107
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    store: Store | None = None,
) -> Iterator[tuple[str, Store]]:
    """Serves the API; yields its address and what it keeps.

    Args:
        port: A free one when 0.
        store: What an earlier server kept.
    """
    kept = store or Store()
    prefix = f"/repos/{repository}/"

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            # Clients put this before the path of every server that is not GitHub's own.
            path = url.path.removeprefix("/api/v3")
            if self.headers.get("Authorization") != f"Bearer {token}":
                status, answer = 401, {"message": "Bad credentials"}
            elif not path.startswith(prefix):
                status, answer = 404, {"message": "Not Found"}
            else:
                status, answer = kept.answer(self.command, path.removeprefix(prefix), query, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _handle  # noqa: N815 - the names that the base class calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    thread = Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}", kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _page(items: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
    return items[(page - 1) * size : page * size]


def _change(items: list[dict[str, Any]], identity: str, body: dict[str, Any]) -> Answer:
    for one in items:
        if str(one["id"]) == identity:
            one.update(body)
            return 200, one
    return 404, {"message": "Not Found"}
