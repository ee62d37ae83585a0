"""Shows the preview of a pull request in it, as a comment and a deployment of GitHub's, or that it is gone."""

import re

from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import wait
from pipeline.github import actions, api, previews
from pipeline.releases.project import project
from pipeline.targets import web

#: Seconds until a preview answers: Argo CD sees a commit within one minute, and tries for eleven.
PATIENCE = 12 * 60
INTERVAL = 2
#: The Ingress of a preview has TLS (argocd/apps/base/previews.yaml).
SCHEME = "https"
#: A pull request, or the branch that a maintainer pushes a fork's commit to.
NUMBER = re.compile(rf"(?:{previews.LABEL}/)?([1-9][0-9]*)")


def run(name: str, commit: str | None) -> Result:
    """With the ``commit`` whose image is pushed: shows the preview, and waits until it answers where it has a host.

    Without: says that it is gone, where it is not wanted. A fork's label stands for the commit that it was set after.
    Raises PipelineError where the preview does not answer in time.
    """
    match = NUMBER.fullmatch(name)
    if not match:
        raise PipelineError(
            f"{name!r} is no pull request",
            next_step="name its number, or the branch preview/NUMBER",
        )
    number, github = int(match[1]), api.api()
    pull = github.call("GET", f"pulls/{number}")
    if not previews.is_wanted(pull):
        why = "The pull request is closed."
        if pull["state"] == "open":
            why = f"The label `{previews.LABEL}` is gone. {previews.RENEW}"
        return Result(previews.end(github, number, why))
    if commit is None and previews.is_fork(pull):
        why = (
            "A commit followed the one that the label was set for. Read it first (docs/argocd.md)."
        )
        previews.withdraw(github, pull, why)
        return Result("the label is taken off: it was set for an earlier commit")
    if commit is None or commit != pull["head"]["sha"]:
        return Result("nothing to show: the image is not of the newest commit")
    host = project().previews.host(number)
    if not host:
        text = previews.describe(number, commit, "", "")
        return Result(github.comment(number, previews.MARKER, text))
    return _answering(github, number, commit, f"{SCHEME}://{host}")


def _answering(github: api.Api, number: int, commit: str, base: str) -> Result:
    url = f"{base}{project().previews.path}"

    def tell(state: str) -> str:
        text = previews.describe(number, commit, url, state)
        return github.comment(number, previews.MARKER, text)

    def answers() -> bool:
        is_new = not project().probes.version or web.answer(base).get("commit") == commit
        return is_new and web.is_ready(base)

    deployment = previews.begin(github, number, commit, url)
    tell("is being started.")
    with console.progress(f"wait for {base}"):
        has_answered = wait(answers, timeout=PATIENCE, interval=INTERVAL)
    pull = github.call("GET", f"pulls/{number}")
    if not previews.is_wanted(pull) or pull["head"]["sha"] != commit:
        previews.mark(github, deployment, "inactive", url)
        return Result("nothing to show any more: it is gone, or a newer commit followed")
    if has_answered:
        previews.mark(github, deployment, "success", url)
        previews.retire(github, number, keep=deployment)
        tell("answers.")
        return Result(url)
    previews.mark(github, deployment, "failure", url)
    tell(f"does not answer: see {actions.linked_run()}.")
    raise PipelineError(
        f"{base} does not answer as {commit[:12]}",
        next_step=f"kubectl -n argocd describe application {project().name}-{previews.LABEL}-{number}",
    )
