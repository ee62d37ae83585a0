"""Has Argo CD bring an environment on Kubernetes to what Git says."""

from pipeline.commands import Result
from pipeline.github import actions
from pipeline.releases import environments
from pipeline.targets import kubernetes


def run(environment_name: str, digest: str | None = None) -> Result:
    environment = environments.load(environment_name)
    if actions.running() and environments.waits_for_release(environment, digest):
        return Result(environments.unreleased(environment_name))
    headline = kubernetes.deliver(environment, digest)
    return Result(headline, f"### Synced\n\n`{environment_name}`: {headline}\n")
