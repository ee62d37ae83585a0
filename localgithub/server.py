"""GitHub for the time of one local workflow run: its API, and the identity tokens of jobs.

``server.py REPOSITORY EVENT WORKFLOWS FOLDER`` serves until it is ended. It writes its address to
``FOLDER/github-url``, and after each call what it was told to ``FOLDER/github.json``.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent))
import github_api  # type: ignore[import-not-found] # its folder is on the path only here
import identity  # type: ignore[import-not-found]

from pipeline.core import files

#: What the job's token, the app's token and the token for identity requests are called.
JOB_TOKEN = "job-token"
REQUEST_TOKEN = "request-token"
ALLOWED = {f"Bearer {JOB_TOKEN}", "Bearer app-token"}


def find_job(workflows: Path, name: str) -> dict[str, Any]:
    """The job with this id that may have an identity token, in any of the workflows; empty when there is none."""
    for file in sorted(workflows.glob("*.yml")):
        jobs = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["jobs"]
        job: dict[str, Any] = jobs.get(name, {})
        if job.get("permissions", {}).get("id-token") == "write" and "steps" in job:
            return job
    return {}


def main() -> None:
    """Serves until the process is ended."""
    repository, event, workflows, folder = (
        sys.argv[1],
        sys.argv[2],
        Path(sys.argv[3]),
        Path(sys.argv[4]),
    )
    store = github_api.Store()
    prefix = f"/repos/{repository}/"

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            given = self.headers.get("Authorization")
            status, answer = 404, {"message": "Not Found"}
            if url.path == "/identity":
                status, answer = self._identity(query, given)
            elif given not in ALLOWED:
                status, answer = 401, {"message": "Bad credentials"}
            elif url.path.startswith(prefix):
                path = url.path.removeprefix(prefix)
                status, answer = store.answer(self.command, path, query, body)
                (folder / "github.json").write_text(
                    json.dumps(store.kept(), indent=1), encoding="utf-8"
                )
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _identity(self, query: dict[str, str], given: str | None) -> tuple[int, Any]:
            job = find_job(workflows, query["job"])
            if given != f"Bearer {REQUEST_TOKEN}" or not job:
                return 403, {"message": f"{query['job']} has no permission id-token: write"}
            environment = query.get("target", "") if "environment" in job else ""
            sub = identity.subject(repository, environment=environment, event=event)
            return 200, {"value": identity.token(repository, query["audience"], sub)}

        do_GET = do_POST = do_PATCH = _handle  # noqa: N815 - the names that the base class calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = folder / "github-url"
    files.write(address, f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


if __name__ == "__main__":
    main()
