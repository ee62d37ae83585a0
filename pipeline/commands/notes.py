"""Publishes the release notes of a deployment: what was merged since the one before, and what runs now."""

import os

from pipeline.commands import Result
from pipeline.core import markdown
from pipeline.git import repository
from pipeline.github import actions, api
from pipeline.releases import environments, history
from pipeline.releases.desired import on_github
from pipeline.releases.image_reference import ImageReference

#: Commits that a reader wants to see; the rest is behind the link.
LONGEST = 100


def run(environment: str, digest: str) -> Result:
    """Publishes the notes as a GitHub release of the commit; the same run again rewrites them."""
    image = ImageReference(environments.load(environment).repository, digest)
    commit = repository.revision()
    sources = (release.source for release in history.history(on_github().tip(), environment))
    before = next((source for source in sources if source and source != commit), None)
    number = os.environ.get("GITHUB_RUN_NUMBER", "0")
    url = api.api().release(
        tag=f"release-{number}",
        commit=commit,
        title=f"Release {number}",
        body=text(environment, image, repository.subjects(before, commit), before),
    )
    return Result(url)


def text(environment: str, image: ImageReference, subjects: list[str], before: str | None) -> str:
    """The notes as Markdown; a commit's subject stays text whatever is in it."""
    lines = [f"`{environment}` runs `{image}`.", ""]
    lines += [f"- {markdown.inline(subject)}" for subject in subjects[:LONGEST]]
    if len(subjects) > LONGEST:
        lines.append(f"- and {len(subjects) - LONGEST} more commits")
    if not subjects:
        lines.append("No change since the last release.")
    lines += ["", f"Since `{before[:12]}`." if before else "The first release."]
    if actions.run_url():
        lines.append(f"Deployed by [this run]({actions.run_url()}).")
    return "\n".join(lines)
