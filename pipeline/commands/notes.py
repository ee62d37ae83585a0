"""The release notes of a deployment: what has been merged since the one before, and what runs now."""

import os

from pipeline.core import console, markdown
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import api as github_api
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.releases.image_reference import ImageReference

#: Commits that a reader wants to see; the rest is behind the link.
LONGEST = 100


def run(environment: str, digest: str) -> str:
    """Publishes the notes as a GitHub release of the commit; the same run again rewrites them.

    Raises:
        PipelineError: Not in a workflow, an unknown environment, or GitHub refused.
    """
    target = environments.load(environment)
    image = ImageReference(target.repository, digest)
    desired = releases.on_github()
    commit = git.revision()
    before = previous(releases.history(desired.tip(), environment), commit)
    subjects = git.subjects(before, commit)
    number = os.environ.get("GITHUB_RUN_NUMBER", "0")
    url = github_api.api().release(
        tag=f"release-{number}",
        commit=commit,
        title=f"Release {number}",
        body=text(environment, image, subjects, before),
    )
    console.info(f"  {url}")
    return url


def previous(states: list[releases.Release], commit: str) -> str | None:
    """The commit that was released before this one; None for the first release."""
    for state in states:
        if state.source and state.source != commit:
            return state.source
    return None


def text(environment: str, image: ImageReference, subjects: list[str], before: str | None) -> str:
    """The notes as Markdown; a commit's subject stays text whatever is in it."""
    lines = [f"`{environment}` runs `{image}`.", ""]
    lines += [f"- {markdown.inline(subject)}" for subject in subjects[:LONGEST]]
    if len(subjects) > LONGEST:
        lines.append(f"- and {len(subjects) - LONGEST} more commits")
    if not subjects:
        lines.append("No change since the last release.")
    lines += ["", f"Since `{before[:12]}`." if before else "The first release."]
    if github.run_url():
        lines.append(f"Deployed by [this run]({github.run_url()}).")
    return "\n".join(lines)
