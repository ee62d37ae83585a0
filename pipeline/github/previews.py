"""A preview in its pull request: the label, the one comment and the deployments of its commits (GitHub's REST API)."""

from datetime import datetime
from typing import Any

from pipeline.github import actions
from pipeline.github.api import Api
from pipeline.releases.project import project

LABEL = "preview"
MARKER = "<!-- delivery:preview -->"
RENEW = f"Set the label `{LABEL}` again to have it back."


def is_wanted(pull: dict[str, Any]) -> bool:
    """Whether a pull request is to have a preview: open, with the label."""
    return pull["state"] == "open" and any(label["name"] == LABEL for label in pull["labels"])


def is_fork(pull: dict[str, Any]) -> bool:
    """Whether a pull request comes from another repository, or from one that is gone."""
    return pull["head"]["repo"] is None or pull["head"]["repo"]["id"] != pull["base"]["repo"]["id"]


def last_push(github: Api, pull: dict[str, Any]) -> datetime:
    """When GitHub got the newest commit, or last started a workflow for it: a label that is set does so as well.

    A commit's own dates are the author's to choose. Needs the permission ``actions: read``.
    """
    runs = github.items(f"actions/runs?head_sha={pull['head']['sha']}", "workflow_runs")
    times = [pull["created_at"], *(run["created_at"] for run in runs)]
    return max(datetime.fromisoformat(time) for time in times)


def begin(github: Api, number: int, commit: str, url: str) -> str:
    """Makes a commit's deployment, in progress at ``url``; returns its path. Needs ``deployments: write``."""
    content = {
        "ref": commit,
        "environment": _environment(number),
        # Else GitHub merges main into the commit first, and refuses one whose checks have not all passed.
        "auto_merge": False,
        "required_contexts": [],
        "transient_environment": True,
        "production_environment": False,
    }
    path = f"deployments/{github.call('POST', 'deployments', content)['id']}"
    mark(github, path, "in_progress", url)
    return path


def mark(github: Api, path: str, state: str, url: str) -> None:
    """Sets a deployment's state; GitHub links ``url`` from the pull request."""
    content = {"state": state, "environment_url": url, "log_url": actions.run_url()}
    github.call("POST", f"{path}/statuses", content)


def retire(github: Api, number: int, keep: str = "") -> None:
    """Makes the deployments of a pull request inactive, but for one: GitHub leaves transient ones as they are."""
    for deployment in github.items(f"deployments?environment={_environment(number)}"):
        path = f"deployments/{deployment['id']}"
        latest = github.call("GET", f"{path}/statuses?per_page=1")
        if path != keep and [status["state"] for status in latest] != ["inactive"]:
            github.call("POST", f"{path}/statuses", {"state": "inactive"})


def withdraw(github: Api, pull: dict[str, Any], why: str) -> None:
    """Takes the label off, with which Argo CD removes the preview, and says why. Needs ``pull-requests: write``.

    What GITHUB_TOKEN does starts no workflow, so the rest of the end is done here as well.
    """
    github.call("DELETE", f"issues/{pull['number']}/labels/{LABEL}")
    end(github, pull["number"], f"{why} {RENEW}")


def end(github: Api, number: int, why: str) -> str:
    """Says in the comment that the preview is gone; returns the comment's address."""
    retire(github, number)
    return github.comment(number, MARKER, f"**No preview.** {why}")


def describe(number: int, commit: str, url: str, state: str) -> str:
    """The comment of a preview: where it is, how far, and when it goes. Without a ``url``: how to reach it."""
    settings, name = project().previews, project().name
    if url:
        lines = [f"**Preview** of `{commit[:12]}`: {url} {state}"]
    else:
        namespace = f"{name}-{_environment(number)}"
        lines = [
            f"**Preview** of `{commit[:12]}`, once Argo CD has synced it:"
            f" `kubectl -n {namespace} port-forward service/{name} 8080:http`,"
            f" then http://localhost:8080{settings.path}"
        ]
    lines += [
        "",
        f"It goes after {settings.days} days without a push, and with the label `{LABEL}`.",
    ]
    return "\n".join(lines)


def _environment(number: int) -> str:
    return f"{LABEL}-{number}"
