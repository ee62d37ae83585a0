"""Has Argo CD bring an environment on Kubernetes to what Git says."""

from pipeline.commands import Result
from pipeline.releases import environments
from pipeline.targets import kubernetes


def run(environment_name: str, digest: str | None = None) -> Result:
    """Waits until the environment is Synced and Healthy."""
    headline = kubernetes.deliver(environments.load(environment_name), digest)
    return Result(headline, f"### Synced\n\n`{environment_name}`: {headline}\n")
