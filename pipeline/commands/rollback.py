"""Gives an environment the state back that it had, image and settings, by a commit that its targets then follow."""

from pipeline.argocd import git_server
from pipeline.attestations import admission
from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.github import reports
from pipeline.releases import environments, history
from pipeline.releases.desired import Desired
from pipeline.releases.history import Release
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import ecs, kubernetes


def run(
    environment_name: str, revision: str | None = None, *, reason: str = "", failed: bool = False
) -> Result:
    """Reverts what made the environment's file what it is now; what was gone back from before is not gone back to.

    Here the cluster is brought to it as well; in a workflow the steps that follow deploy it.

    Args:
        reason: Why, for the commit.
        failed: The deployment of this checkout has failed: the commit names its tasks, and where the checkout's newest
            commit changed nothing of what runs (a freeze, the admitted images), there is nothing to go back from.
    """
    environment = environments.load(environment_name)
    if git_server.never_released(environment):
        return Result(environments.unreleased(environment_name))
    desired = kubernetes.desired()
    tip = desired.tip()
    releases = history.commits(tip, environment_name, root=desired.root)
    if not any(release.digest for release in releases):
        return Result(environments.unreleased(environment_name), outputs={"commit": tip})
    if failed and _changed_nothing(releases, environment_name):
        cause = f"{environment_name} runs what it ran before: nothing to go back from"
        return Result(cause, outputs={"commit": tip, "digest": releases[0].digest or ""})
    earlier = _at(desired, environment_name, revision) if revision else history.earlier(releases)
    if earlier is None or earlier.digest is None:
        raise PipelineError(
            f"{environment_name} has no earlier release to go back to",
            next_step="name a commit with --revision (git log environments/ shows them)",
        )
    left, image = history.present(releases), ImageReference(environment.repository, earlier.digest)

    admission.require_here(environment, image.digest)

    def refuse_changed(now: str) -> None:
        if git.show(now, history.path(environment_name), root=desired.root) != left[0].text:
            raise PipelineError(
                f"somebody else has just changed {environment_name}",
                next_step=f"look at it, then run ./inv rollback {environment_name} again",
            )

    commit = history.set_text(
        desired,
        environment_name,
        lambda text: history.with_conditions(earlier.text, text),
        message=history.message(
            f"Roll {environment_name} back to {image.short}",
            image,
            source=earlier.source,
            reverted=left,
            reason=reason or (f"{reports.failed()} failed" if failed else ""),
        ),
        check=refuse_changed,
    )
    outputs = {"digest": image.digest, "commit": commit or tip}
    if commit is None:
        return Result(f"{environment_name} runs {image.short} already", outputs=outputs)
    where = kubernetes.released(environment, commit) + ecs.follow(environment, image.digest)
    settings = "settings" if image.digest == left[0].digest else "release"
    return Result(
        f"{environment_name} gets its earlier {settings} back: {image.short}{where}",
        f"### Rolled back\n\n`{environment_name}` gets its earlier {settings} back: `{image}`"
        f" (commit `{commit[:12]}`).\n",
        outputs,
    )


def _changed_nothing(releases: list[Release], environment_name: str) -> bool:
    """Whether the newest commit of the environment's file is the one of the checkout, and left its state as it was."""
    deployed = git.last_change("HEAD", history.path(environment_name), root=ROOT)
    same = len(releases) > 1 and releases[0].state == releases[1].state
    return same and deployed == releases[0].commit


def _at(desired: Desired, environment_name: str, revision: str) -> Release | None:
    """The state at a revision; None where the environment's file has none."""
    commit = git.resolve(revision, root=desired.root)
    return next(iter(history.commits(commit, environment_name, root=desired.root, limit=1)), None)
