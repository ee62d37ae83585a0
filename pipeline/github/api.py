"""The calls of GitHub's REST API that the workflows need: one comment, one issue, a pull request, a release."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.core import markdown
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import AGAIN_SECONDS, persistent
from pipeline.github import actions

API_SECONDS = 30
#: Seconds before each further attempt where GitHub names none, and the most that it is waited for.
RETRY_WAITS = AGAIN_SECONDS
RETRY_AFTER_SECONDS = 60
PAGE = 100
MAX_PAGES = 50


class RefusedError(PipelineError):
    """GitHub answered a call with the HTTP ``status`` of an error."""

    def __init__(self, cause: str, *, next_step: str, status: int) -> None:
        super().__init__(cause, next_step=next_step)
        self.status = status


@dataclass(frozen=True)
class Api:
    """GitHub's REST API for one repository. Each method returns the address of what it wrote."""

    client: httpx.Client
    repository: str

    def comment(self, number: int, marker: str, body: str) -> str:
        """Writes or rewrites the one comment of a pull request that begins with ``marker``."""
        comments = f"issues/{number}/comments"
        own = self._find(comments, marker)
        content = {"body": _marked(marker, body)}
        if own:
            return self._write("PATCH", f"issues/comments/{own['id']}", content)
        return self._write("POST", comments, content)

    def issue(self, marker: str, title: str, body: str | None, *, label: str, gone: str) -> str:
        """Keeps one open issue that begins with ``marker``; None as the body closes it, with the words ``gone``.

        Empty where there is none.
        """
        own = self._find(f"issues?state=open&labels={label}", marker)
        if body is not None:
            content = {"title": title, "body": _marked(marker, body)}
            if own:
                return self._write("PATCH", f"issues/{own['number']}", content)
            return self._write("POST", "issues", {**content, "labels": [label]})
        if not own:
            return ""
        self._write("POST", f"issues/{own['number']}/comments", {"body": gone})
        closed = {"state": "closed", "state_reason": "completed"}
        return self._write("PATCH", f"issues/{own['number']}", closed)

    def open_pull_request(self, *, branch: str, base: str) -> str:
        """The open pull request from a branch; empty where there is none."""
        owner = self.repository.partition("/")[0]
        pulls = self.call("GET", f"pulls?state=open&head={owner}:{branch}&base={base}")
        return str(pulls[0]["html_url"]) if pulls else ""

    def pull_request(self, *, branch: str, base: str, title: str, body: str) -> str:
        """Opens a pull request from a branch that has none."""
        content = {"title": title, "body": body, "head": branch, "base": base}
        return self._write("POST", "pulls", content)

    def release(self, *, tag: str, commit: str, title: str, body: str) -> str:
        """Publishes a release with its tag, or rewrites the notes of the one that has the tag."""
        content = {
            "tag_name": tag,
            "target_commitish": commit,
            "name": title,
            "body": markdown.cut(body, actions.BODY_LIMIT, where=actions.linked_run()),
        }
        present = self.find(f"releases/tags/{tag}")
        if present is None:
            return self._write("POST", "releases", content)
        return self._write("PATCH", f"releases/{present['id']}", content)

    def _find(self, path: str, marker: str) -> dict[str, Any] | None:
        for item in self.items(path):
            # Anyone can write the marker; only a bot's text is ours to rewrite.
            ours = (item.get("user") or {}).get("type") == "Bot"
            if ours and (item.get("body") or "").startswith(marker):
                return dict(item)
        return None

    def _write(self, method: str, path: str, content: dict[str, Any]) -> str:
        return str(self.call(method, path, content)["html_url"])

    def items(self, path: str, key: str = "") -> Iterator[Any]:
        """The items of a list, page by page; ``key`` names it where GitHub wraps it."""
        separator = "&" if "?" in path else "?"
        for page in range(1, MAX_PAGES + 1):
            answer = self.call("GET", f"{path}{separator}per_page={PAGE}&page={page}")
            items = answer[key] if key else answer
            yield from items
            if len(items) < PAGE:
                break

    def find(self, path: str) -> Any | None:
        """What is at a path below the repository; None where nothing is."""
        response = self._answer("GET", path)
        return None if response.status_code == httpx.codes.NOT_FOUND else _checked(response)

    def call(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        """What GitHub answers to a call of a path below the repository, or of an address of the API.

        None where the answer has no body.
        """
        return _checked(self._answer(method, path, content))

    def _answer(
        self, method: str, path: str, content: dict[str, Any] | None = None
    ) -> httpx.Response:
        """Asked anew where GitHub is busy; a moved repository is followed to, but not written to."""
        try:
            for wait in RETRY_WAITS:
                response = self._once(method, path, content)
                named = response.headers.get("Retry-After", "")
                if not _is_busy(response, method):
                    return response
                time.sleep(min(float(named), RETRY_AFTER_SECONDS) if named.isdigit() else wait)
            return self._once(method, path, content)
        except httpx.HTTPError as error:
            raise PipelineError(
                f"GitHub did not answer {method} {path.partition('?')[0]} ({error})",
                next_step="run the job again; see githubstatus.com",
            ) from error

    def _once(self, method: str, path: str, content: dict[str, Any] | None) -> httpx.Response:
        reads = method == "GET"
        return persistent(
            lambda: self.client.request(method, path, json=content, follow_redirects=reads),
            lambda error: reads and isinstance(error, httpx.HTTPError),
        )


def api(variable: str = "GITHUB_TOKEN") -> Api:
    """The API of the workflow's repository, with the token in a variable: the job's, or in RELEASE_TOKEN the app's."""
    token, repository = (os.environ.get(name, "") for name in (variable, "GITHUB_REPOSITORY"))
    if not token or not repository:
        raise PipelineError(
            f"{variable} or GITHUB_REPOSITORY is not set",
            next_step="run this task from its workflow, which passes the token",
        )
    return of(repository, token)


def of(repository: str, token: str) -> Api:
    return Api(_client(repository, token), repository)


def ids(repository: str) -> tuple[str, str]:
    """The ids of a repository's owner and of the repository, which its workflows' identity tokens bear."""
    token = os.environ.get("GITHUB_TOKEN", "")
    by_hand = "name the ids: --owner-id ID --repository-id ID (gh api repos/OWNER/NAME)"
    with _client(repository, token) as client:
        try:
            response = client.get(str(client.base_url).rstrip("/"))
            template = client.get("actions/oidc/customization/sub") if token else None
        except httpx.HTTPError as error:
            raise PipelineError(f"GitHub did not answer ({error})", next_step=by_hand) from error
    if not response.is_success:
        raise PipelineError(
            f"GitHub does not show {repository} ({response.status_code})",
            next_step=f"set GITHUB_TOKEN for a private repository, or {by_hand}",
        )
    if template and template.is_success and template.json().get("use_default") is False:
        raise PipelineError(
            f"the identity tokens of {repository} have a customised subject, which no role trusts",
            next_step="gh api --method PUT"
            f" repos/{repository}/actions/oidc/customization/sub -F use_default=true",
        )
    return str(response.json()["owner"]["id"]), str(response.json()["id"])


def _client(repository: str, token: str) -> httpx.Client:
    server = os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    base = f"{server}/repos/{repository}/"
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=base, headers=headers, timeout=API_SECONDS)


def app() -> tuple[str, str] | None:
    """Name and address of the release app (RELEASE_APP), as GitHub knows its commits; None where there is none."""
    slug = os.environ.get("RELEASE_APP")
    if not slug:
        return None
    github = api("RELEASE_TOKEN")
    base = str(github.client.base_url).partition("/repos/")[0]
    user = github.call("GET", f"{base}/users/{slug}%5Bbot%5D")
    return f"{slug}[bot]", f"{user['id']}+{slug}[bot]@users.noreply.github.com"


def _is_busy(response: httpx.Response, method: str) -> bool:
    """Whether the same call may be made again: it was limited, or failed in GitHub and is no second deed.

    Source: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
    """
    limited = response.status_code == httpx.codes.TOO_MANY_REQUESTS
    limited = limited or (
        response.status_code == httpx.codes.FORBIDDEN and "Retry-After" in response.headers
    )
    return limited or (response.is_server_error and method != "POST")


def _marked(marker: str, body: str) -> str:
    room = actions.BODY_LIMIT - len(marker) - 1
    return f"{marker}\n{markdown.cut(body, room, where=actions.linked_run())}"


def _checked(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None  # 204, of a variable that was changed
    try:
        message = response.json().get("message", "")
    except ValueError:
        message = response.text[:200]
    call = f"{response.request.method} {response.request.url.path}"
    raise RefusedError(
        f"GitHub refused {call}: {response.status_code} {message}".strip(),
        next_step="check the permissions of the job's token (docs/github.md)",
        status=response.status_code,
    )
