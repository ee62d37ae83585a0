"""What the tasks say to GitHub: outputs, annotations, job summaries, and the few API calls the workflows need.

Everything here does nothing outside GitHub Actions, except the API calls, which need a token.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.errors import PipelineError

#: Characters that one comment or issue body may have.
BODY_LIMIT = 65_536
#: Bytes that one step may write to the job summary.
SUMMARY_LIMIT = 1024 * 1024
API_SECONDS = 30
PAGE = 100
MAX_PAGES = 50


def running() -> bool:
    """Whether this process runs in GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def output(name: str, value: str) -> None:
    """Sets an output of the step.

    Raises:
        ValueError: The value has several lines: it could set further outputs.
    """
    if "\n" in value or "\r" in value:
        raise ValueError(f"the output {name} has several lines")
    _append("GITHUB_OUTPUT", f"{name}={value}\n")


def summary(markdown: str) -> None:
    """Adds to the summary of the job; what exceeds GitHub's limit is cut, and the cut is said."""
    text = markdown.rstrip() + "\n\n"
    if len(text.encode()) > SUMMARY_LIMIT:
        text = cut(text, SUMMARY_LIMIT // 4, where="the job's log")
    _append("GITHUB_STEP_SUMMARY", text)


def annotate(level: str, message: str, *, title: str = "", file: str = "", line: int = 0) -> None:
    """Shows a message on a line of the change (or on the job when no file is given).

    Args:
        level: ``error``, ``warning`` or ``notice``.
        line: Counted from 1.
    """
    if not running():
        return
    properties = {"title": title, "file": file, "line": str(line) if line else ""}
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    print(f"::{level} {given}::{_data(message)}", flush=True)


def run_url() -> str:
    """The address of this workflow run; empty outside GitHub Actions."""
    if not running():
        return ""
    server, repository, run = (
        os.environ.get(name, "")
        for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    return f"{server}/{repository}/actions/runs/{run}"


def code_block(text: str, language: str = "") -> str:
    """A fenced block that nothing in the text can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def inline(text: str) -> str:
    """Text that stands in a table cell or heading as it is: no markup, mention, link or line break of it counts."""
    flat = re.sub(r"\s+", " ", text).strip()
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    flat = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", flat)
    # A zero-width space keeps @name and owner/repo#1 from notifying anyone.
    return flat.replace("@", "@\u200b")


def cut(text: str, limit: int, *, where: str) -> str:
    """The text, cut at the end of a line so that it keeps within ``limit`` characters, saying where the rest is.

    A code block that is open at the cut is closed.
    """
    if len(text) <= limit:
        return text
    note = f"\n\n*Cut here: the whole text is in {where}.*\n"
    room = limit - len(note) - 100
    line_end = text.rfind("\n", 0, room)
    kept = text[: line_end if line_end > room // 2 else room]
    fence = _open_fence(kept)
    return kept + (f"\n{fence}" if fence else "") + note


def _open_fence(text: str) -> str:
    fence = ""
    for line in text.splitlines():
        match = re.match(r"`{3,}", line)
        if not match:
            continue
        if not fence:
            fence = match.group()
        elif line.strip() == fence:
            fence = ""
    return fence


@dataclass(frozen=True)
class Api:
    """GitHub's REST API for one repository."""

    client: httpx.Client
    repository: str

    def comment(self, number: int, marker: str, body: str) -> str:
        """Writes or rewrites the one comment of a pull request that begins with ``marker``; returns its address."""
        own = self._find(f"issues/{number}/comments", marker)
        text = f"{marker}\n{cut(body, BODY_LIMIT - len(marker) - 1, where=_linked_run())}"
        if own:
            found = self._call("PATCH", f"issues/comments/{own['id']}", {"body": text})
        else:
            found = self._call("POST", f"issues/{number}/comments", {"body": text})
        return str(found["html_url"])

    def issue(self, marker: str, title: str, body: str | None, *, label: str) -> str:
        """Keeps one open issue that begins with ``marker``: opened or updated with a body, closed with None.

        Returns:
            Its address; empty when there was none and none is needed.
        """
        own = self._find(f"issues?state=open&labels={label}", marker)
        if body is None:
            if not own:
                return ""
            self._call(
                "POST", f"issues/{own['number']}/comments", {"body": "The difference is gone."}
            )
            closed = {"state": "closed", "state_reason": "completed"}
            return str(self._call("PATCH", f"issues/{own['number']}", closed)["html_url"])
        text = f"{marker}\n{cut(body, BODY_LIMIT - len(marker) - 1, where=_linked_run())}"
        if own:
            found = self._call("PATCH", f"issues/{own['number']}", {"title": title, "body": text})
        else:
            wanted = {"title": title, "body": text, "labels": [label]}
            found = self._call("POST", "issues", wanted)
        return str(found["html_url"])

    def pull_request(self, *, branch: str, base: str, title: str, body: str) -> str:
        """Opens a pull request from a branch, or finds the open one; returns its address."""
        owner = self.repository.partition("/")[0]
        open_ones = self._call("GET", f"pulls?state=open&head={owner}:{branch}&base={base}")
        if open_ones:
            return str(open_ones[0]["html_url"])
        wanted = {"title": title, "body": body, "head": branch, "base": base}
        return str(self._call("POST", "pulls", wanted)["html_url"])

    def release(self, *, tag: str, commit: str, title: str, body: str) -> str:
        """Publishes a release with its tag, or rewrites the notes of the one that has the tag; returns its address."""
        wanted = {
            "tag_name": tag,
            "target_commitish": commit,
            "name": title,
            "body": cut(body, BODY_LIMIT, where=_linked_run()),
        }
        response = self.client.get(f"releases/tags/{tag}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return str(self._call("POST", "releases", wanted)["html_url"])
        found = _checked(response)
        return str(self._call("PATCH", f"releases/{found['id']}", wanted)["html_url"])

    def _find(self, path: str, marker: str) -> dict[str, Any] | None:
        for item in self._pages(path):
            # Anyone can write the marker; only a bot's text is ours to rewrite.
            ours = (item.get("user") or {}).get("type") == "Bot"
            if ours and (item.get("body") or "").startswith(marker):
                return item
        return None

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        separator = "&" if "?" in path else "?"
        for page in range(1, MAX_PAGES + 1):
            items = self._call("GET", f"{path}{separator}per_page={PAGE}&page={page}")
            yield from items
            if len(items) < PAGE:
                return

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        try:
            return _checked(self.client.request(method, path, json=content))
        except httpx.HTTPError as error:
            raise PipelineError(
                f"GitHub did not answer {method} {path.partition('?')[0]} ({error})",
                next_step="run the job again; see githubstatus.com",
            ) from error


def api() -> Api:
    """The API of the repository that the workflow runs in, with the token of the job.

    Raises:
        PipelineError: GITHUB_TOKEN or GITHUB_REPOSITORY is not set.
    """
    token, repository = (os.environ.get(name, "") for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY"))
    if not token or not repository:
        raise PipelineError(
            "GITHUB_TOKEN or GITHUB_REPOSITORY is not set",
            next_step="run this task from its workflow, which passes the job's token",
        )
    base = os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    client = httpx.Client(
        base_url=f"{base}/repos/{repository}/",
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        timeout=API_SECONDS,
    )
    return Api(client, repository)


def _checked(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    try:
        said = response.json().get("message", "")
    except ValueError:
        said = response.text[:200]
    raise PipelineError(
        f"GitHub refused {response.request.method} {response.request.url.path}: {response.status_code} {said}".strip(),
        next_step="check the permissions of the job's token (docs/github.md)",
    )


def _linked_run() -> str:
    url = run_url()
    return f"[the run]({url})" if url else "the run"


def _append(variable: str, text: str) -> None:
    name = os.environ.get(variable)
    if name:
        with Path(name).open("a", encoding="utf-8") as sink:
            sink.write(text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
