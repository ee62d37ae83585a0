"""The rollback stage: an environment gets the image back that it had, by a commit.

Nothing else can roll back: Argo CD and Terraform would bring back what Git says.
"""

from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import reports
from pipeline.kubernetes import cluster as kubernetes
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import kubernetes as kubernetes_target


def run(environment_name: str, revision: str | None = None) -> str:
    """Reverts the commit that released or promoted what the environment runs now.

    On this machine the cluster is brought to it as well; in a workflow the jobs that follow deploy it.

    Args:
        revision: Go back to what this commit said instead of to what ran before.

    Raises:
        PipelineError: There is nothing to go back to, or the environment did not get there.
    """
    environment = environments.load(environment_name)
    desired = kubernetes_target.desired()
    tip = desired.tip()
    states = releases.history(tip, environment_name, root=desired.root)
    if revision:
        digest = releases.at(
            git.resolve(revision, root=desired.root), environment_name, root=desired.root
        )
        undone = None
    else:
        earlier = [one for one in states[1:] if one.digest]
        digest = earlier[0].digest if earlier else None
        undone = states[0] if states else None
    if digest is None:
        raise PipelineError(
            f"{environment_name} has no earlier image to go back to",
            next_step="name a commit with --revision (git log environments/ shows them)",
        )
    image = ImageReference(environment.repository, digest)
    commit = releases.set_digest(
        desired, environment_name, digest, message=_message(environment_name, image, undone)
    )
    github.output("digest", digest)
    github.output("commit", commit or "")
    if commit is None:
        return f"{environment_name} runs {image.short} already"
    reports.write(
        "rollback",
        f"### Rolled back\n\n`{environment_name}` gets `{image}` back (commit `{commit[:12]}`).\n",
    )
    cluster = None if github.running() else kubernetes.find()
    if cluster is None:
        return f"{environment_name} gets {image.short} back"
    address = kubernetes_target.deliver(cluster, environment, commit)
    return f"{environment_name} runs {image.short} again at {address}"


def _message(environment: str, image: ImageReference, undone: releases.Release | None) -> str:
    lines = [f"Roll {environment} back to {image.short} {releases.NO_BUILD}", "", f"Image: {image}"]
    if undone is not None:
        lines.append(f"Reverts: {undone.commit} ({undone.subject})")
    if github.run_url():
        lines.append(f"Run: {github.run_url()}")
    return "\n".join(lines) + "\n"
