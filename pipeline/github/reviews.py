"""What GitHub knows of a commit: its checks, who approved its change, and who approved its deployment.

Read as docs.github.com, *REST API endpoints*, has them for check runs, commits, pull request reviews and workflow runs.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.github.api import MAX_PAGES, PAGE, Api

#: States of a review that take an approval back; a comment leaves it as it is.
JUDGING = {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}


def checks(github: Api, commit: str) -> dict[str, str]:
    """The newest result of each check of a commit by its name: GitHub's conclusion, else its status."""
    runs = _all(github, f"commits/{commit}/check-runs", "check_runs")
    return {str(run["name"]): str(run["conclusion"] or run["status"]) for run in runs}


def approvals(github: Api, commit: str) -> dict[int, list[str]]:
    """The merged pull requests that brought a commit, each with those whose last judgement of it is an approval."""
    merged = [
        each["number"] for each in _all(github, f"commits/{commit}/pulls") if each["merged_at"]
    ]
    return {number: _approvers(github, number) for number in merged}


def deployers(github: Api, commit: str, environment: str) -> list[str]:
    """Who let the workflow runs of a commit into a GitHub environment, sorted."""
    return sorted(
        {
            str((review.get("user") or {}).get("login"))
            for run in _all(github, f"actions/runs?head_sha={commit}", "workflow_runs")
            for review in _all(github, f"actions/runs/{run['id']}/approvals")
            if review["state"] == "approved"
            and environment in [each["name"] for each in review["environments"]]
        }
    )


def _approvers(github: Api, number: int) -> list[str]:
    last: dict[str, str] = {}
    for review in _all(github, f"pulls/{number}/reviews"):  # the oldest first
        if review["state"] in JUDGING:
            last[str((review["user"] or {}).get("login"))] = review["state"]
    return sorted(name for name, state in last.items() if state == "APPROVED")


def _all(github: Api, path: str, key: str = "") -> Iterator[Any]:
    """The items of a list, page by page; ``key`` names it where GitHub wraps it."""
    separator = "&" if "?" in path else "?"
    for page in range(1, MAX_PAGES + 1):
        answer = github.call("GET", f"{path}{separator}per_page={PAGE}&page={page}")
        items = answer[key] if key else answer
        yield from items
        if len(items) < PAGE:
            break
