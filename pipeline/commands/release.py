"""Makes the digest that has just been deployed the desired state, by a commit."""

from pathlib import Path

from pipeline.attestations import admission
from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.releases import environments, history
from pipeline.releases.desired import on_github
from pipeline.releases.image_reference import ImageReference


def run(environment: str, digest: str, *, check: bool = False) -> Result:
    """Commits the digest to the environment's file on main.

    The same digest again is no error and makes no commit, so that a workflow can be run again.

    Args:
        digest: What was deployed; empty, which only ``check`` takes, for the one that Git names.
        check: Only look whether this checkout may still be deployed: a run that is started again has its old commit.
    """
    released_to = environments.load(environment)
    if check:
        source, tip = git.revision(), on_github().tip()
        (refuse_older if digest else refuse_left)(tip, environment, source)
        return Result(f"{environment} has got nothing newer than {source[:12]}")
    image = ImageReference(released_to.repository, digest)
    admission.require_here(released_to, digest)
    source = git.revision()
    desired = on_github()
    commit = history.set_text(
        desired,
        environment,
        lambda text: history.with_digest(text, digest),
        message=history.message(f"Release {image.short} to {environment}", image, source=source),
        check=lambda tip: refuse_older(tip, environment, source),
    )
    if commit is None:
        done = f"{environment} is at {image.short} already"
        return Result(done, outputs={"commit": desired.tip()})
    return Result(
        f"{commit[:12]}: {environment} runs {image}",
        f"### Released\n\n`{environment}` runs `{image}` (commit `{commit[:12]}`).\n",
        {"commit": commit},
    )


def refuse_left(tip: str, environment: str, source: str, *, root: Path = ROOT) -> None:
    """Refuses a commit whose state of the environment is not Git's any more: it was rolled back, or changed anew."""
    now, wanted = (
        history.state(history.at(commit, environment, root=root)) for commit in (tip, source)
    )
    if now != wanted:
        newest = history.commits(tip, environment, root=root, limit=1)[0]
        raise PipelineError(
            f"{environment} is what {newest.commit[:12]} says ({newest.subject}), not what {source[:12]} says",
            next_step=f"merge the change again, or run rollback.yml with {source[:12]} as the revision",
        )


def refuse_older(tip: str, environment: str, source: str, *, root: Path = ROOT) -> None:
    """Refuses a commit that is not on main, or that a released one contains: an old run, started again."""
    if not git.is_ancestor(source, tip, root=root):
        raise PipelineError(
            f"commit {source[:12]} is not on main", next_step="merge it; only main is released"
        )
    releases = history.history(tip, environment, root=root)
    newest = releases[0].source if releases else ""
    if newest and newest != source and git.is_ancestor(source, newest, root=root):
        raise PipelineError(
            f"{environment} already runs commit {newest[:12]}, which contains {source[:12]}",
            next_step=f"to go back on purpose, run rollback.yml for {environment}",
        )
