"""Gives an environment the release that another one has, by a commit: the image, and the revision of HCL and chart."""

import functools
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.argocd import git_server
from pipeline.attestations import admission
from pipeline.commands import Result
from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import actions, api
from pipeline.releases import environments, history, promotion
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.promotion import Candidate
from pipeline.targets import kubernetes

#: What a revision brings to an environment, apart from the image.
DELIVERED = ("infra", "project.yaml")


def run(
    source: str,
    target: str,
    *,
    digest: str | None = None,
    override: str = "",
    explain: bool = False,
) -> Result:
    """Commits the release of ``source`` to ``target``'s file; on this machine the cluster is brought to it as well.

    In a workflow the commit is proposed as a pull request, and its merge deploys it.

    Args:
        digest: Another release of ``source`` than the present one.
        override: Why it is promoted in a freeze, or where the digest is named in spite of what it lacks.
        explain: Print what each release lacks instead, and change nothing.
    """
    if source == target:
        raise PipelineError(
            "an environment cannot be promoted to itself", next_step="name two environments"
        )
    giving, taking = environments.load(source), environments.load(target)
    conditions, now = taking.raw.get("promotion") or {}, datetime.now(UTC)
    if (conditions.get("from") or source) != source:
        raise PipelineError(
            f"{target} takes releases of {conditions['from']} alone ({history.path(target)})",
            next_step=f"./inv promote {conditions['from']} {target}",
        )
    if not explain and git_server.never_released(giving):
        return Result(environments.unreleased(source))
    desired = git_server.readable() if explain else kubernetes.desired(giving, taking)
    tip = desired.tip()
    given, taken = (history.commits(tip, name, root=desired.root) for name in (source, target))
    candidates = promotion.candidates(given, taken, conditions, now)
    if explain:
        return _explained(candidates, giving, target)
    named, digest = digest is not None, digest or (given[0].digest if given else None)
    if digest is None:
        return Result(environments.unreleased(source))
    promotion.require_open(taking, now, override=override)
    image = ImageReference(taking.repository, digest)
    release = _eligible(candidates, source, target, digest, override=named and bool(override))
    admission.require_here(giving, digest)
    subject = f"Promote {image.short} from {source} to {target}"
    # The commit that the image was built from is handed on.
    message = functools.partial(
        history.message, subject, image, source=release.source, override=override
    )
    newest = next(state for state in given if state.digest == digest)
    # An environment that follows main was deployed at that commit; on this machine it is at the newest one.
    revision = newest.content.get("revision") or git.last_change(
        release.source or (tip if newest is given[0] else newest.commit),
        *DELIVERED,
        root=desired.root,
    )

    def promoted(text: str) -> str:
        return history.with_revision(history.with_digest(text, digest), revision)

    before = git.show(tip, history.path(target), root=desired.root)
    if promoted(before) == before:
        return Result(f"{target} runs {image.short} already")
    if actions.running():
        # The checks must run on the proposal, and its merge must deploy it.
        proposal = message(starts_workflows=True)
        reason = override and f"-{hashlib.sha256(override.encode()).hexdigest()[:8]}"
        branch = f"promote/{target}-{image.short}-{revision[:12]}{reason}"
        github = api.api("RELEASE_TOKEN")
        url = github.open_pull_request(branch=branch, base=desired.branch)
        if not url:
            text, title = promoted(before), proposal.partition("\n")[0]
            history.propose(desired, target, text, branch=branch, tip=tip, message=proposal)
            body = markdown.code_block(proposal.removeprefix(title).strip())
            url = github.pull_request(branch=branch, base=desired.branch, title=title, body=body)
        return Result(url, f"### Proposed\n\n{url}: `{target}` gets `{image}` from `{source}`.\n")
    commit = history.set_text(desired, target, promoted, message=message()) or tip
    where = kubernetes.released(taking, commit)
    return Result(
        f"{target} gets {image.short}{where}",
        f"### Promoted\n\n`{target}` gets `{image}` from `{source}` (commit `{commit[:12]}`).\n",
    )


def _eligible(
    candidates: Mapping[str, Candidate], source: str, target: str, digest: str, *, override: bool
) -> history.Release:
    """The release of a digest; raises PipelineError where it lacks something, unless that is overridden."""
    again = f"./inv promote {source} {target}"
    candidate = candidates.get(digest)
    if candidate is None:
        raise PipelineError(
            f"{source} never ran {digest}", next_step=f"{again} --explain lists what it ran"
        )
    if candidate.lacks and not override:
        raise PipelineError(
            f"{target} does not get {digest} from {source}: {', '.join(candidate.lacks)}",
            next_step=f"{again} --explain shows what each release lacks;"
            f' {again} --digest {digest} --override "reason" takes this one',
        )
    return candidate.release


def _explained(
    candidates: Mapping[str, Candidate], giving: environments.Environment, target: str
) -> Result:
    """Prints a row for each candidate; the registry is asked only for those that lack nothing else."""
    lacks = {
        digest: candidate.lacks or admission.lacks_here(giving, digest)
        for digest, candidate in candidates.items()
    }
    console.table(
        ("digest", "commit", "released", "verified", "soaked", "lacks"),
        [
            (
                digest.removeprefix("sha256:")[:12],
                candidate.release.commit[:12],
                f"{candidate.release.committed:%Y-%m-%d %H:%M}",
                candidate.release.engines or "no",
                f"{promotion.minutes(candidate.soaked)} min" if candidate.soaked else "",
                ", ".join(lacks[digest]) or "nothing",
            )
            for digest, candidate in candidates.items()
        ],
    )
    ready = sum(not each for each in lacks.values())
    return Result(f"{ready} of {len(candidates)} releases can be promoted to {target}")
