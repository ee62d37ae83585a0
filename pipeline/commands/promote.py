"""Gives an environment the image that another one runs, by a commit."""

from pipeline.commands import Result
from pipeline.core import markdown
from pipeline.core.errors import PipelineError
from pipeline.github import actions, api
from pipeline.releases import environments, history
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import kubernetes


def run(source: str, target: str) -> Result:
    """Commits the digest of ``source`` to ``target``'s file; on this machine the cluster is brought to it as well.

    In a workflow the commit is proposed as a pull request, and its merge deploys it.
    """
    giving, taking = environments.load(source), environments.load(target)
    if source == target:
        raise PipelineError(
            "an environment cannot be promoted to itself", next_step="name two environments"
        )
    desired = kubernetes.desired()
    tip = desired.tip()
    digest = history.at(tip, source, root=desired.root)
    if digest is None:
        return Result(environments.unreleased(source))
    image = ImageReference(giving.repository, digest)
    subject = f"Promote {image.short} from {source} to {target}"
    if actions.running() and history.at(tip, target, root=desired.root) == digest:
        return Result(f"{target} runs {image.short} already")
    # The commit that the image was built from is handed on.
    releases = history.history(tip, source, root=desired.root)
    built_from = releases[0].source if releases else ""
    if actions.running():
        # The checks must run on the proposal, and its merge must deploy it.
        message = history.message(subject, image, source=built_from, starts_workflows=True)
        branch = f"promote/{target}-{image.short}"
        history.propose(desired, target, digest, branch=branch, tip=tip, message=message)
        title, _, body = message.partition("\n")
        url = api.api("RELEASE_TOKEN").pull_request(
            branch=branch, base=desired.branch, title=title, body=markdown.code_block(body.strip())
        )
        return Result(url, f"### Proposed\n\n{url}: `{target}` gets `{image}` from `{source}`.\n")
    commit = history.set_text(
        desired,
        target,
        lambda text: history.with_digest(text, digest),
        message=history.message(subject, image, source=built_from),
    )
    if commit is None:
        return Result(f"{target} runs {image.short} already", outputs={"digest": digest})
    where = kubernetes.released(taking, commit)
    return Result(
        f"{target} gets {image.short}{where}",
        f"### Promoted\n\n`{target}` gets `{image}` from `{source}` (commit `{commit[:12]}`).\n",
        {"digest": digest, "commit": commit},
    )
