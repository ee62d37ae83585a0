"""The few calls of GitHub's REST API that the workflows need: one comment, one issue, a pull request, a release."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.core import markdown
from pipeline.core.errors import PipelineError
from pipeline.github import actions as github

API_SECONDS = 30
PAGE = 100
MAX_PAGES = 50


@dataclass(frozen=True)
class Api:
    """GitHub's REST API for one repository."""

    client: httpx.Client
    repository: str

    def comment(self, number: int, marker: str, body: str) -> str:
        """Writes or rewrites the one comment of a pull request that begins with ``marker``; returns its address."""
        own = self._find(f"issues/{number}/comments", marker)
        text = f"{marker}\n{markdown.cut(body, github.BODY_LIMIT - len(marker) - 1, where=github.linked_run())}"
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
        text = f"{marker}\n{markdown.cut(body, github.BODY_LIMIT - len(marker) - 1, where=github.linked_run())}"
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
            "body": markdown.cut(body, github.BODY_LIMIT, where=github.linked_run()),
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


def api(variable: str = "GITHUB_TOKEN") -> Api:
    """The API of the repository that the workflow runs in.

    Args:
        variable: The environment variable with the token: the job's own, or the release app's (RELEASE_TOKEN).

    Raises:
        PipelineError: That variable or GITHUB_REPOSITORY is not set.
    """
    token, repository = (os.environ.get(name, "") for name in (variable, "GITHUB_REPOSITORY"))
    if not token or not repository:
        raise PipelineError(
            f"{variable} or GITHUB_REPOSITORY is not set",
            next_step="run this task from its workflow, which passes the token",
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
