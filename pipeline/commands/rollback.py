"""Gives an environment the image back that it had, by a commit: Argo CD and Terraform bring back what Git says."""

from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.releases import environments, history
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import kubernetes


def run(environment_name: str, revision: str | None = None) -> Result:
    """Reverts the commit that released or promoted what the environment runs now.

    On this machine the cluster is brought to it as well; in a workflow the jobs that follow deploy it.
    """
    environment = environments.load(environment_name)
    desired = kubernetes.desired()
    releases = history.history(desired.tip(), environment_name, root=desired.root)
    if revision:
        commit = git.resolve(revision, root=desired.root)
        digest = history.at(commit, environment_name, root=desired.root)
    else:
        digest = next((earlier.digest for earlier in releases[1:] if earlier.digest), None)
    if digest is None:
        raise PipelineError(
            f"{environment_name} has no earlier image to go back to",
            next_step="name a commit with --revision (git log environments/ shows them)",
        )
    image = ImageReference(environment.repository, digest)
    reverted = releases[0] if releases and not revision else None
    message = history.message(
        f"Roll {environment_name} back to {image.short}", image, reverted=reverted
    )
    commit_made = history.set_digest(desired, environment_name, digest, message=message)
    outputs = {"digest": digest, "commit": commit_made or ""}
    if commit_made is None:
        return Result(f"{environment_name} runs {image.short} already", outputs=outputs)
    where = kubernetes.released(environment, commit_made)
    return Result(
        f"{environment_name} gets {image.short} back{where}",
        f"### Rolled back\n\n`{environment_name}` gets `{image}` back (commit `{commit_made[:12]}`).\n",
        outputs,
    )
