"""Publishes the release notes of a deployment: what was merged since the one before, and what runs now."""

import os

import httpx

from pipeline.commands import Result
from pipeline.core import markdown
from pipeline.git import repository
from pipeline.github import actions, api
from pipeline.releases import environments, history
from pipeline.releases.desired import on_github
from pipeline.releases.image_reference import ImageReference

#: Commits that a reader wants to see; the rest is behind the link.
LONGEST = 100
#: What a job's token can never have: the right Workflows: write (cli/cli#9514).
REFUSED = "GitHub lets no job's token make the tag of a commit that changes `.github/workflows`"


def run(environment: str, digest: str) -> Result:
    """Publishes the notes as a GitHub release of the commit; the same run again rewrites them.

    Where GitHub refuses the release (403) the notes stand in the job's summary.
    """
    image = ImageReference(environments.load(environment).repository, digest)
    commit = repository.revision()
    sources = (release.source for release in history.history(on_github().tip(), environment))
    before = next((source for source in sources if source and source != commit), None)
    number = os.environ.get("GITHUB_RUN_NUMBER", "0")
    title = f"Release {number}"
    notes = text(environment, image, repository.subjects(before, commit), before)
    try:
        url = api.api().release(tag=f"release-{number}", commit=commit, title=title, body=notes)
    except api.RefusedError as error:
        if error.status != httpx.codes.FORBIDDEN:
            raise
        why = f"The deployment is live; its release is not on GitHub. {markdown.inline(error.cause)}. {REFUSED}."
        by_hand = (
            f"gh release create release-{number} --target {commit} --title '{title}' --notes '…'"
        )
        report = f"### {title}\n\n{why} By hand: `{by_hand}`\n\n{notes}\n"
        return Result(f"the release is not on GitHub: {error.cause}", report)
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
