"""The promote stage: an environment gets the image that another one runs, by a commit."""

from pipeline.core import markdown
from pipeline.core.errors import PipelineError
from pipeline.github import actions as github
from pipeline.github import api as github_api
from pipeline.github import reports
from pipeline.kubernetes import cluster as kubernetes
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import kubernetes as kubernetes_target


def run(source: str, target: str) -> str:
    """Commits the digest of ``source`` to ``target``'s file; on this machine the cluster is brought to it as well.

    In a workflow the commit is proposed as a pull request, and its merge deploys it.

    Raises:
        PipelineError: Nothing is released to ``source``, the same environment twice, or the target did not get there.
    """
    giving, taking = environments.load(source), environments.load(target)
    if source == target:
        raise PipelineError(
            "an environment cannot be promoted to itself", next_step="name two environments"
        )
    desired = kubernetes_target.desired()
    tip = desired.tip()
    digest = releases.at(tip, source, root=desired.root)
    if digest is None:
        raise PipelineError(
            f"nothing has been released to {source} yet", next_step=f"deploy to {source} first"
        )
    image = ImageReference(giving.repository, digest)
    if github.running():
        return _propose(desired, tip, source, target, image)
    commit = releases.set_digest(
        desired, target, digest, message=_message(desired, tip, source, target, image)
    )
    github.output("digest", digest)
    github.output("commit", commit or "")
    if commit is None:
        return f"{target} runs {image.short} already"
    reports.write(
        "promote",
        f"### Promoted\n\n`{target}` gets `{image}` from `{source}` (commit `{commit[:12]}`).\n",
    )
    cluster = kubernetes.find()
    if cluster is None:
        return f"{target} gets {image.short}"
    address = kubernetes_target.deliver(cluster, taking, commit)
    return f"{target} runs {image.short} at {address}"


def _propose(
    desired: releases.Desired, tip: str, source: str, target: str, image: ImageReference
) -> str:
    """Pushes the commit to a branch of its own and opens the pull request; the same proposal is made once."""
    if releases.at(tip, target, root=desired.root) == image.digest:
        return f"{target} runs {image.short} already"
    branch = f"promote/{target}-{image.short}"
    # Without the mark that keeps workflows from starting: the checks must run on it, and its merge must deploy it.
    message = _message(desired, tip, source, target, image).replace(f" {releases.NO_BUILD}", "")
    releases.propose(desired, target, image.digest, branch=branch, tip=tip, message=message)
    title, _, body = message.partition("\n")
    url = github_api.api("RELEASE_TOKEN").pull_request(
        branch=branch, base=desired.branch, title=title, body=markdown.code_block(body.strip())
    )
    reports.write("promote", f"### Proposed\n\n{url}: `{target}` gets `{image}` from `{source}`.\n")
    return url


def _message(
    desired: releases.Desired, tip: str, source: str, target: str, image: ImageReference
) -> str:
    """The commit's message. The commit that the image was built from is handed on."""
    states = releases.history(tip, source, root=desired.root, limit=20)
    lines = [
        f"Promote {image.short} from {source} to {target} {releases.NO_BUILD}",
        "",
        f"Image: {image}",
    ]
    if states and states[0].source:
        lines.append(f"{releases.SOURCE}: {states[0].source}")
    if github.run_url():
        lines.append(f"Run: {github.run_url()}")
    return "\n".join(lines) + "\n"
