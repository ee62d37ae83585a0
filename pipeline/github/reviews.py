"""What GitHub knows of a commit: its checks, who approved its change, and who approved its deployment.

Read as docs.github.com, *REST API endpoints*, has them for check runs, commits, pull request reviews and workflow runs.
"""

from pipeline.github.api import Api

#: States of a review that take an approval back; a comment leaves it as it is.
JUDGING = {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}


def checks(github: Api, commit: str) -> dict[str, str]:
    """The newest result of each check of a commit by its name: GitHub's conclusion, else its status."""
    runs = github.items(f"commits/{commit}/check-runs", "check_runs")
    return {str(run["name"]): str(run["conclusion"] or run["status"]) for run in runs}


def approvals(github: Api, commit: str) -> dict[int, list[str]]:
    """The merged pull requests that brought a commit, each with those whose last judgement of it is an approval."""
    merged = [
        each["number"] for each in github.items(f"commits/{commit}/pulls") if each["merged_at"]
    ]
    return {number: _approvers(github, number) for number in merged}


def deployers(github: Api, commit: str, environment: str) -> list[str]:
    """Who let the workflow runs of a commit into a GitHub environment, sorted."""
    return sorted(
        {
            str((review.get("user") or {}).get("login"))
            for run in github.items(f"actions/runs?head_sha={commit}", "workflow_runs")
            for review in github.items(f"actions/runs/{run['id']}/approvals")
            if review["state"] == "approved"
            and environment in [each["name"] for each in review["environments"]]
        }
    )


def _approvers(github: Api, number: int) -> list[str]:
    last: dict[str, str] = {}
    for review in github.items(f"pulls/{number}/reviews"):  # the oldest first
        if review["state"] in JUDGING:
            last[str((review["user"] or {}).get("login"))] = review["state"]
    return sorted(name for name, state in last.items() if state == "APPROVED")
