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
    environment_name: str,
    revision: str | None = None,
    *,
    reason: str = "",
    failed: bool = False,
    digest: str = "",
) -> Result:
    """Reverts what made the environment's file what it is now; what was gone back from before is not gone back to.

    Here the cluster is brought to it as well; in a workflow the steps that follow deploy the output ``commit``, where
    there is one. ``reverted`` is the commit that went back, where one did.

    Args:
        reason: Why, for the commit.
        failed: The deployment of this checkout has failed: the commit names its tasks, and what Git does not say, or
            says no more, is not gone back from.
        digest: The image that the failed deployment was to release; empty for the one that Git names.
    """
    environment = environments.load(environment_name)
    if git_server.never_released(environment):
        return Result(environments.unreleased(environment_name))
    desired = kubernetes.desired(environment)
    tip = desired.tip()
    releases = history.commits(tip, environment_name, root=desired.root)
    if not any(release.digest for release in releases):
        # A first release that failed left nothing to bring back.
        outputs = {} if failed else {"commit": tip}
        return Result(environments.unreleased(environment_name), outputs=outputs)
    if releases[0].ours and releases[0].reverts:
        outputs = {"commit": releases[0].commit, "digest": releases[0].digest or ""}
        done = f"{environment_name} has gone back in this run: {releases[0].subject}"
        return Result(done, outputs={**outputs, "reverted": outputs["commit"]})
    if failed and (unsaid := _unsaid(releases, environment_name, digest, tip)):
        return unsaid
    earlier = _at(desired, environment_name, revision) if revision else history.earlier(releases)
    if earlier is None or earlier.digest is None:
        raise PipelineError(
            f"{environment_name} has no earlier release to go back to",
            next_step=f"name a commit with --revision (./inv history --environment {environment_name} shows them)",
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
    outputs["reverted"] = commit
    where = kubernetes.released(environment, commit) + ecs.follow(environment, image.digest)
    settings = "settings" if image.digest == left[0].digest else "release"
    return Result(
        f"{environment_name} gets its earlier {settings} back: {image.short}{where}",
        f"### Rolled back\n\n`{environment_name}` gets its earlier {settings} back: `{image}`"
        f" (commit `{commit[:12]}`).\n",
        outputs,
    )


def _unsaid(releases: list[Release], environment_name: str, digest: str, tip: str) -> Result | None:
    """What to do where Git does not say what has failed; None where it does, and goes back."""
    said = {"commit": tip, "digest": releases[0].digest or ""}
    if digest:
        if digest == releases[0].digest:
            return None
        # It failed before its release: Git names what ran before.
        return Result(f"{environment_name} never got it in Git", outputs=said)
    deployed = git.last_change("HEAD", history.path(environment_name), root=ROOT)
    if deployed != releases[0].commit:
        # Another's change, which a deployment of its own brings there.
        [wanted] = history.commits("HEAD", environment_name, root=ROOT, limit=1)
        if releases[0].state == wanted.state:
            return None
        return Result(f"{environment_name} is another by now in Git")
    if len(releases) > 1 and releases[0].state == releases[1].state:
        # A freeze, or the admitted images.
        return Result(f"{environment_name} runs what it ran before", outputs=said)
    return None


def _at(desired: Desired, environment_name: str, revision: str) -> Release | None:
    """The state at a revision; None where the environment's file has none."""
    commit = git.resolve(revision, root=desired.root)
    return next(iter(history.commits(commit, environment_name, root=desired.root, limit=1)), None)
