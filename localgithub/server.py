"""Serves a local GitHub: ``python -m localgithub.server REPOSITORY EVENT WORKFLOWS FOLDER``, until it is ended.

It prints its address, and writes after each call to ``FOLDER/github.json`` what the repository keeps.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ruamel.yaml import YAML

from localgithub import git_http, identity
from localgithub.api import Store
from localgithub.repository_settings import NOT_FOUND, Answer

JOB_TOKEN = "job-token"
APP_TOKEN = "app-token"
#: The default branch.
BRANCH = "main"
#: The release app, and the id of its user.
APP, APP_ID = "release-app", 4711
#: The token for requests of identity tokens.
REQUEST_TOKEN = "request-token"
#: Seconds between two looks whether it is to end.
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Call:
    """One HTTP call: its path without the prefix of GitHub Enterprise, and the bearer token."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    token: str


@contextlib.contextmanager
def serve(
    repository: str = "owner/name",
    *tokens: str,
    host: str = "127.0.0.1",
    port: int = 0,
    store: Store | None = None,
    bare: Path | None = None,
) -> Iterator[tuple[str, Store]]:
    """Serves the API; yields its address and what it keeps.

    Args:
        tokens: Those that it takes; the job's when there is none.
        port: A free one when 0.
        store: What an earlier server kept.
        bare: The repository itself, below ``<repository>.git``: the job's token fetches it, the app's pushes.
    """
    kept = store or Store()
    with _listening(
        lambda call: _rest(kept, repository, tokens or (JOB_TOKEN,), call), host, port, bare
    ) as url:
        yield url, kept


def main() -> None:
    """Serves until the process is ended."""
    repository, event, workflows, folder = sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:])
    store = Store()

    def answer(call: Call) -> Answer:
        if call.path == "/identity":
            return _identity(repository, event, workflows, call)
        result = _rest(store, repository, (JOB_TOKEN, APP_TOKEN), call)
        (folder / "github.json").write_text(json.dumps(store.kept(), indent=1), encoding="utf-8")
        return result

    with _listening(answer) as url:
        print(url, flush=True)
        signal.pause()


def _rest(store: Store, repository: str, tokens: tuple[str, ...], call: Call) -> Answer:
    prefix = f"/repos/{repository}/"
    if call.path == prefix.rstrip("/") and not call.token:
        return 200, _described(repository)
    if call.token not in tokens:
        return 401, {"message": "Bad credentials"}
    if call.path == prefix.rstrip("/"):
        return 200, _described(repository)
    if unquote(call.path) == f"/users/{APP}[bot]":
        return 200, {"id": APP_ID, "login": f"{APP}[bot]"}
    if not call.path.startswith(prefix):
        return NOT_FOUND
    return store.answer(call.method, call.path.removeprefix(prefix), call.query, call.body)


def _described(repository: str) -> dict[str, Any]:
    ids = {"id": int(identity.REPOSITORY_ID), "owner": {"id": int(identity.OWNER_ID)}}
    return {"full_name": repository, "default_branch": BRANCH, **ids}


def _identity(repository: str, event: str, workflows: Path, call: Call) -> Answer:
    name = call.query["job"]
    job = _job(workflows, name)
    if call.token != REQUEST_TOKEN or not job:
        return 403, {"message": f"{name} has no permission id-token: write"}
    environment = call.query.get("target", "") if "environment" in job else ""
    subject = identity.subject(
        repository,
        environment=environment,
        event=event,
        immutable=os.environ.get("OIDC_SUBJECT") != "legacy",
    )
    ref = "refs/pull/1/merge" if event == "pull_request" else f"refs/heads/{BRANCH}"
    return 200, {"value": identity.token(repository, call.query["audience"], subject, ref=ref)}


def _job(workflows: Path, name: str) -> dict[str, Any]:
    """The job with this id that may have an identity token, in any of the workflows; empty when there is none."""
    for file in sorted(workflows.glob("*.yml")):
        jobs = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["jobs"]
        job: dict[str, Any] = jobs.get(name, {})
        if job.get("permissions", {}).get("id-token") == "write" and "steps" in job:
            return job
    return {}


@contextlib.contextmanager
def _listening(
    answer: Callable[[Call], Answer],
    host: str = "127.0.0.1",
    port: int = 0,
    bare: Path | None = None,
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            url = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if bare and ".git/" in url.path:
                self._write(
                    *git_http.answer(
                        bare,
                        self.command,
                        self.path,
                        dict(self.headers),
                        content,
                        readers=(JOB_TOKEN,),
                        writers=(APP_TOKEN,),
                    )
                )
                return
            call = Call(
                method=self.command,
                # Clients put this before the path of every server that is not GitHub's own.
                path=url.path.removeprefix("/api/v3"),
                query={key: values[0] for key, values in parse_qs(url.query).items()},
                body=json.loads(content or b"{}"),
                token=(self.headers.get("Authorization") or "").removeprefix("Bearer "),
            )
            status, document = answer(call)
            content = b"" if document is None else json.dumps(document).encode()
            self._write(status, {"Content-Type": "application/json"}, content)

        def _write(self, status: int, fields: Mapping[str, str], content: bytes) -> None:
            self.send_response(status)
            # 204 has neither body nor length (RFC 9110, section 8.6).
            length = (
                {} if status == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(content))}
            )
            for name, value in {**fields, **length}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that the base class calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    thread = Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    main()
