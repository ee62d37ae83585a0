"""Tells a webhook of a deployment, else of what failed in a workflow: one line with links."""

import os
from pathlib import Path

from pipeline.commands import Result
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions, gate, notifications, reports
from pipeline.releases import environments, timeline
from pipeline.releases.project import project

#: What an entry of the timeline is to a reader of the channel.
WORDS = {"release": "release", "rollback": "rollback", "settings": "change of settings"}
#: Results of jobs that did not pass; a job that was skipped waited for one of them, or had nothing to do.
ENDINGS = ("failure", "cancelled")
OFF = "notifications are off in this repository (the secret NOTIFICATION_URL, docs/github.md)"


def run(environment: str | None = None, digest: str = "", *, root: Path = ROOT) -> Result:
    """Sends one message, where a webhook is set.

    Reads what the workflow's step passes: of a deployment OUTCOME (the job's), CHANGE (the commit that was deployed),
    ROLLED_BACK (the one that took it back, if any), RETURNED (whether that runs) and URL; else NEEDS, and ISSUE.

    Args:
        environment: What was deployed to; None for a workflow's end.
        digest: The image that was to be released; empty for what Git names, a promotion.
    """
    if environment:
        environments.load(environment)
        message = deployment(environment, digest, root)
        if message is None:
            return Result(environments.unreleased(environment))
    else:
        message = ending(root)
    if not notifications.on():
        return Result(OFF, f"### Notification\n\nNot sent: {OFF}.\n")
    text, links = message
    notifications.send(text, {"Run": actions.run_url(), **links})
    return Result(f"sent: {text}")


def deployment(environment: str, digest: str, root: Path) -> tuple[str, dict[str, str]] | None:
    """Text and links; None where nothing was ever released to the environment."""
    change = os.environ.get("CHANGE") or git.revision(root)
    entries = timeline.entries(change, environment, root=root)
    if not digest and not any(entry.digest for entry in entries):
        return None
    # None where the commit is of another change: it failed before its own, or there was nothing to commit.
    entry = next((each for each in entries[:1] if each.commit == change), None)
    kind = WORDS[entry.kind] if entry else "release" if digest else "deployment"
    if entry and kind == "release" and not digest:
        kind = "promotion"
    image = _short(digest or entries[0].digest)
    source = (entry.source if entry and entry.kind == "release" else "") or change
    about = entry.reason if entry and entry.reason else _about(source, root)
    what = f"{kind} {image} {_outcome(root, environment)}"
    links = {"Commit": _commit(source), "Environment": os.environ.get("URL", "")}
    return f"{project().name} {environment}: {what}: {about}", links


def ending(root: Path) -> tuple[str, dict[str, str]]:
    """Text and links about the jobs of a workflow that did not pass; of drift, about the environments that differ."""
    name = project().name
    jobs = gate.needs()
    if "drift" in jobs:
        found = [
            each.removeprefix("drift-") for each in reports.failing() if each.startswith("drift")
        ]
        text = f"{name}: what runs differs from what Git says, or was not compared"
        return f"{text}: {', '.join(found)}" if found else text, {
            "Issue": os.environ.get("ISSUE", "")
        }
    failed = [f"{each} {job.result}" for each, job in jobs.items() if job.result in ENDINGS]
    workflow, commit = os.environ.get("GITHUB_WORKFLOW", "workflow"), git.revision(root)
    text = f"{name}, {workflow}: {', '.join(failed) or 'passed'}: {_about(commit, root)}"
    return text, {"Commit": _commit(commit)}


def _outcome(root: Path, environment: str) -> str:
    """What became of a deployment, and of the way back where it failed."""
    outcome, back = (os.environ.get(name, "") for name in ("OUTCOME", "ROLLED_BACK"))
    if outcome in ("", "success"):
        return "is live"
    failed = reports.failed()
    ended = (
        "was cancelled" if outcome == "cancelled" else f"failed{f' ({failed})' if failed else ''}"
    )
    left = timeline.entries(back, environment, root=root)[0] if back else None
    if left is None or left.kind != "rollback":  # there was nothing to go back from
        return ended
    # By now the way back has reported, in the place of what had failed: the commit names that.
    cause = f"failed ({left.reason})" if left.reason else ended
    returned = os.environ.get("RETURNED") == "true"
    return f"{cause}, {'rolled back to' if returned else 'the way back failed to'} {_short(left.digest)}"


def _about(commit: str, root: Path) -> str:
    return git.run("show", "--no-patch", "--format=%s (%an)", commit, root=root).strip()


def _commit(commit: str) -> str:
    url = actions.repository_url()
    return f"{url}/commit/{commit}" if url else ""


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
