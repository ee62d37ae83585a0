"""The release stage: the digest that has just been deployed becomes the desired state, by a commit."""

import os
from pathlib import Path

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import reports
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.releases.image_reference import ImageReference


def run(environment: str, digest: str) -> str:
    """Commits the digest to the environment's file on main.

    The same digest again is no error and makes no commit, so that a workflow can be run again.

    Raises:
        PipelineError: Not in a workflow, an unknown environment, or a newer commit has been released already.
    """
    target = environments.load(environment)
    image = ImageReference(target.repository, digest)
    desired = releases.on_github()
    source = git.revision()

    def newest(tip: str) -> None:
        refuse_older(tip, environment, source)

    commit = releases.set_digest(
        desired, environment, digest, message=message(environment, image, source), check=newest
    )
    if commit is None:
        console.info(f"  {environment} is at {image.short} already")
        return f"{environment} unchanged"
    console.info(f"  {commit[:12]}: {environment} runs {image}")
    reports.write(
        "release", f"### Released\n\n`{environment}` runs `{image}` (commit `{commit[:12]}`).\n"
    )
    github.output("commit", commit)
    return f"{environment} at {image.short}"


def refuse_older(tip: str, environment: str, source: str, *, root: Path = ROOT) -> None:
    """Refuses a commit that is not on main, or that an already released one contains: an old run, run again."""
    if not git.is_ancestor(source, tip, root=root):
        raise PipelineError(
            f"commit {source[:12]} is not on main", next_step="merge it; only main is released"
        )
    released = releases.history(tip, environment, root=root)
    newest = released[0].source if released else ""
    if newest and newest != source and git.is_ancestor(source, newest, root=root):
        raise PipelineError(
            f"{environment} already runs commit {newest[:12]}, which contains {source[:12]}",
            next_step=f"to go back on purpose, run rollback.yml for {environment}",
        )


def message(environment: str, image: ImageReference, source: str) -> str:
    """The commit's message; its trailers say what was built from what, and by which run."""
    lines = [
        f"Release {image.short} to {environment} {releases.NO_BUILD}",
        "",
        f"Image: {image}",
        f"{releases.SOURCE}: {source}",
    ]
    if github.run_url():
        lines.append(
            f"Run: {github.run_url()} (attempt {os.environ.get('GITHUB_RUN_ATTEMPT', '1')})"
        )
    return "\n".join(lines) + "\n"
