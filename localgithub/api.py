"""The part of GitHub's REST API that the tasks use: what one repository keeps, in memory."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from localgithub import repository_settings
from localgithub.repository_settings import NOT_FOUND, Answer, Settings, page

#: What a path of the API needs of a job's ``permissions``: ``read`` to be asked, ``write`` to be changed.
RIGHTS = {
    r"deployments(/.+)?": "deployments",
    r"pulls(/.+)?|issues/\d+/(comments|labels).*|issues/comments/.+": "pull-requests",
    r"actions/runs.*": "actions",
}
STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")


@dataclass
class Store:
    """One repository. ``calls`` are method and path of every call, in order."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    settings: Settings = field(default_factory=dict)
    #: False where Settings → General → Features has no Issues, as in a new fork.
    has_issues: bool = True
    #: Commits that change a workflow: only a token with `workflows: write`, which no job's has, may make their tags.
    of_workflows: set[str] = field(default_factory=set)
    #: The organisation's rulesets, as the list shows them.
    inherited_rulesets: list[dict[str, Any]] = field(default_factory=list)
    #: What people and workflows made of commits, by path: lists, where GitHub wraps them in a mapping of one key.
    made: dict[str, Any] = field(default_factory=dict)
    customised_subject: bool = False
    #: Of the job's token, as a workflow writes them; None for a token that may do all.
    permissions: dict[str, str] | None = None
    #: With its statuses, the newest first, as GitHub lists them.
    deployments: list[dict[str, Any]] = field(default_factory=list)
    _comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _last: int = 0

    def open_pull(
        self, branch: str, commit: str, *labels: str, fork: bool = False
    ) -> dict[str, Any]:
        """A pull request that a person opens, by default today; a change of it is seen by the next call."""
        body = {"title": branch, "head": branch, "base": "main"}
        pull: dict[str, Any] = self._add_pull({}, body)[1]
        pull["head"] |= {"sha": commit, "repo": {"id": 2 if fork else 1}}
        pull["labels"] = [{"name": label} for label in labels]
        return pull

    def comments(self, number: int) -> list[dict[str, Any]]:
        """The comments of an issue or pull request."""
        return self._comments.setdefault(number, [])

    def kept(self) -> dict[str, Any]:
        """Everything that was written to the repository."""
        return {
            "calls": self.calls,
            "comments": {str(number): comments for number, comments in self._comments.items()},
            "issues": self.issues,
            "pulls": self.pulls,
            "releases": self.releases,
            "deployments": self.deployments,
        }

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        """The answer to one call."""
        with self._lock:
            self.calls.append(f"{method} {path}")
            if not self._may(method, path):
                return 403, {"message": "Resource not accessible by integration"}
            for verb, pattern, handler in self._routes():
                match = re.fullmatch(pattern, path)
                if verb == method and match:
                    return handler(*match.groups(), query, body)
        return NOT_FOUND

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", r"issues/(\d+)/comments", self._list_comments),
            ("POST", r"issues/(\d+)/comments", self._add_comment),
            ("PATCH", r"issues/comments/(\d+)", self._change_comment),
            ("GET", "actions/oidc/customization/sub", self._subject_template),
            ("GET", r"commits/([^/]+)/(check-runs|pulls)", self._of_commit),
            ("GET", r"(pulls/\d+/reviews|actions/runs/\d+/approvals)", self._list_made),
            ("GET", "actions/runs", self._list_runs),
            ("GET", f"({repository_settings.PATHS})", self._get_setting),
            ("POST", f"({repository_settings.PATHS})", self._add_setting),
            ("PUT", f"({repository_settings.PATHS})", self._change_setting),
            ("PATCH", f"({repository_settings.PATHS})", self._change_setting),
            ("GET", "issues", self._list_issues),
            ("POST", "issues", self._add_issue),
            ("PATCH", r"issues/(\d+)", self._change_issue),
            ("DELETE", r"issues/(\d+)/labels/(.+)", self._remove_label),
            ("GET", r"pulls/(\d+)", self._get_pull),
            ("GET", "deployments", self._list_deployments),
            ("POST", "deployments", self._add_deployment),
            ("GET", r"deployments/(\d+)/statuses", self._list_statuses),
            ("POST", r"deployments/(\d+)/statuses", self._add_status),
            ("GET", "pulls", self._list_pulls),
            ("POST", "pulls", self._add_pull),
            ("GET", r"releases/tags/(.+)", self._get_release),
            ("POST", "releases", self._add_release),
            ("PATCH", r"releases/(\d+)", self._change_release),
        ]

    def _get_setting(self, path: str, query: dict[str, str], _body: dict[str, Any]) -> Answer:
        return repository_settings.get(self.settings, self.inherited_rulesets, path, query)

    def _add_setting(self, path: str, _query: dict[str, str], body: dict[str, Any]) -> Answer:
        return repository_settings.add(self.settings, path, body)

    def _change_setting(self, path: str, _query: dict[str, str], body: dict[str, Any]) -> Answer:
        return repository_settings.change(self.settings, path, body)

    def _of_commit(self, commit: str, kind: str, query: dict[str, str], _: Any) -> Answer:
        path = f"commits/{commit}/{kind}"
        if path not in self.made:
            return 422, {"message": f"No commit found for SHA: {commit}"}
        items = page(self.made[path], query)
        return 200, items if kind == "pulls" else {"check_runs": items}

    def _list_made(self, path: str, query: dict[str, str], _: Any) -> Answer:
        return (200, page(self.made[path], query)) if path in self.made else NOT_FOUND

    def _list_runs(self, query: dict[str, str], _: Any) -> Answer:
        runs = [
            run
            for run in self.made.get("actions/runs", [])
            if run["head_sha"] == query.get("head_sha", run["head_sha"])
        ]
        return 200, {"workflow_runs": page(runs, query)}

    def _subject_template(self, _query: dict[str, str], _body: dict[str, Any]) -> Answer:
        return 200, {"use_default": not self.customised_subject}

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
        return 200, page(self.comments(int(number)), query)

    def _add_comment(self, number: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        self.comments(int(number)).append(self._new("comments", body))
        return 201, self.comments(int(number))[-1]

    def _change_comment(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        every = [comment for comments in self._comments.values() for comment in comments]
        return _change(every, identity, body)

    def _list_issues(self, query: dict[str, str], _: dict[str, Any]) -> Answer:
        issues = [
            issue
            for issue in self.issues
            if issue["state"] == query.get("state", "open")
            and query.get("labels", "") in (*issue.get("labels", ()), "")
        ]
        return 200, page(issues, query)

    def _add_issue(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        if not self.has_issues:
            return 410, {"message": "Issues are disabled for this repo"}
        self.issues.append(self._new("issues", body) | {"state": "open"})
        return 201, self.issues[-1]

    def _change_issue(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        return _change(self.issues, identity, body)

    def _list_pulls(self, query: dict[str, str], _: dict[str, Any]) -> Answer:
        head = query.get("head", "").partition(":")[2]
        pulls = [
            pull
            for pull in self.pulls
            if query.get("state", "open") in (pull["state"], "all")
            and head in (pull["head"]["ref"], "")
        ]
        return 200, page(pulls, query)

    def _add_pull(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        own = ({**pull["head"], "state": pull["state"]} for pull in self.pulls)
        same = (body["head"], 1, "open")
        if any((each["ref"], each["repo"]["id"], each["state"]) == same for each in own):
            return 422, {"message": f"A pull request already exists for {body['head']}."}
        self.pulls.append(
            self._new("pull", body)
            | {
                "state": "open",
                "head": {"ref": body["head"], "repo": {"id": 1}},
                "base": {"ref": body["base"], "repo": {"id": 1}},
                "labels": [],
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        return 201, self.pulls[-1]

    def _may(self, method: str, path: str) -> bool:
        if self.permissions is None:
            return True
        needed = next((right for form, right in RIGHTS.items() if re.fullmatch(form, path)), "")
        levels = ("read", "write") if method == "GET" else ("write",)
        return not needed or self.permissions.get(needed) in levels

    def _get_pull(self, number: str, _query: dict[str, str], _body: Any) -> Answer:
        return next(
            ((200, pull) for pull in self.pulls if str(pull["number"]) == number), NOT_FOUND
        )

    def _remove_label(self, number: str, name: str, _query: dict[str, str], _body: Any) -> Answer:
        for pull in self.pulls:
            kept = [label for label in pull["labels"] if label["name"] != name]
            if str(pull["number"]) == number and kept != pull["labels"]:
                pull["labels"] = kept
                return 200, kept
        return 404, {"message": "Label does not exist"}

    def _list_deployments(self, query: dict[str, str], _: Any) -> Answer:
        environment = query.get("environment")
        kept = [item for item in self.deployments if environment in (item["environment"], None)]
        return 200, page(kept, query)

    def _add_deployment(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        # Both are the defaults: a pull request whose checks still run has no deployment by them.
        if body.get("auto_merge", True) or body.get("required_contexts") != []:
            return 409, {"message": "Conflict: Commit status checks failed"}
        self.deployments.insert(0, {**self._new("deployments", body), "statuses": []})
        return 201, self.deployments[0]

    def _statuses(self, identity: str) -> list[dict[str, Any]] | None:
        found = (item["statuses"] for item in self.deployments if str(item["id"]) == identity)
        return next(found, None)

    def _list_statuses(self, identity: str, query: dict[str, str], _: Any) -> Answer:
        statuses = self._statuses(identity)
        return NOT_FOUND if statuses is None else (200, page(statuses, query))

    def _add_status(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        statuses = self._statuses(identity)
        if statuses is None:
            return NOT_FOUND
        if body.get("state") not in STATES:
            return 422, {"message": "Validation Failed"}
        statuses.insert(0, self._new("statuses", body))
        return 201, statuses[0]

    def _get_release(self, tag: str, _: dict[str, str], __: dict[str, Any]) -> Answer:
        releases = [release for release in self.releases if release["tag_name"] == tag]
        return (200, releases[0]) if releases else NOT_FOUND

    def _add_release(self, _: dict[str, str], body: dict[str, Any]) -> Answer:
        if body["target_commitish"] in self.of_workflows:
            return 403, {"message": "Resource not accessible by integration"}
        self.releases.append(self._new("releases", body))
        return 201, self.releases[-1]

    def _change_release(self, identity: str, _: dict[str, str], body: dict[str, Any]) -> Answer:
        return _change(self.releases, identity, body)


def _change(items: list[dict[str, Any]], identity: str, body: dict[str, Any]) -> Answer:
    for item in items:
        if str(item["id"]) == identity:
            item.update(body)
            return 200, item
    return NOT_FOUND
