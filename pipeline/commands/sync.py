"""Has Argo CD bring an environment on Kubernetes to what Git says."""

from datetime import UTC, datetime

from pipeline.commands import Result
from pipeline.github import actions
from pipeline.releases import environments, promotion
from pipeline.targets import kubernetes


def run(environment_name: str, digest: str | None = None, *, override: str = "") -> Result:
    """Syncs in a freeze only with ``override``, or what a rollback brings."""
    environment = environments.load(environment_name)
    if actions.running() and environments.waits_for_release(environment, digest):
        return Result(environments.unreleased(environment_name))
    report = promotion.require_open(environment, datetime.now(UTC), override=override, at="HEAD")
    headline = kubernetes.deliver(environment, digest)
    return Result(headline, f"### Synced\n\n`{environment_name}`: {headline}\n{report}")
