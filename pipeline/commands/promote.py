"""Gives an environment the release that another one has, by a commit: the image, and the revision of HCL and chart."""

from pipeline.argocd import git_server
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.commands import Result
from pipeline.core import markdown
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import actions, api
from pipeline.kubernetes.cluster import CONTEXT_FILE
from pipeline.releases import environments, history
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import kubernetes

#: What a revision brings to an environment, apart from the image.
DELIVERED = ("infra", "project.yaml")


def run(source: str, target: str) -> Result:
    """Commits the release of ``source`` to ``target``'s file; on this machine the cluster is brought to it as well.

    In a workflow the commit is proposed as a pull request, and its merge deploys it.
    """
    giving, taking = environments.load(source), environments.load(target)
    if source == target:
        raise PipelineError(
            "an environment cannot be promoted to itself", next_step="name two environments"
        )
    if git_server.never_released(giving):
        return Result(environments.unreleased(source))
    desired = kubernetes.desired()
    tip = desired.tip()
    content = history.at(tip, source, root=desired.root)
    digest = content["image"]["digest"]
    if digest is None:
        return Result(environments.unreleased(source))
    image = ImageReference(taking.repository, digest)
    if actions.running():
        registry.require(aws.account(giving), image)
    elif not CONTEXT_FILE.is_file():
        registry.require_local(image)
    subject = f"Promote {image.short} from {source} to {target}"
    # The commit that the image was built from is handed on.
    releases = history.history(tip, source, root=desired.root)
    built_from = releases[0].source if releases else ""
    # An environment that follows main was deployed at that commit; on this machine it is at the newest one.
    revision = content.get("revision") or git.last_change(
        built_from or tip, *DELIVERED, root=desired.root
    )

    def promoted(text: str) -> str:
        return history.with_revision(history.with_digest(text, digest), revision)

    before = git.show(tip, history.path(target), root=desired.root)
    if actions.running() and promoted(before) == before:
        return Result(f"{target} runs {image.short} already")
    if actions.running():
        # The checks must run on the proposal, and its merge must deploy it.
        message = history.message(subject, image, source=built_from, starts_workflows=True)
        branch = f"promote/{target}-{image.short}-{revision[:12]}"
        history.propose(desired, target, promoted(before), branch=branch, tip=tip, message=message)
        title, _, body = message.partition("\n")
        url = api.api("RELEASE_TOKEN").pull_request(
            branch=branch, base=desired.branch, title=title, body=markdown.code_block(body.strip())
        )
        return Result(url, f"### Proposed\n\n{url}: `{target}` gets `{image}` from `{source}`.\n")
    commit = history.set_text(
        desired,
        target,
        promoted,
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
