"""The sync stage: Argo CD brings an environment on Kubernetes to what Git says, and is waited for."""

from pipeline.argocd import git_server as gitops
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.github import actions as github
from pipeline.github import reports
from pipeline.images import app as appimage
from pipeline.releases import environments
from pipeline.releases.environments import Environment
from pipeline.targets import kubernetes as kubernetes_target


def prepare() -> str:
    """Sees to the cluster and its Argo CD; what takes long does not depend on the image and can run beside its build.

    Raises:
        PipelineError: A tool, a port or a privilege is missing, or a part was not ready in time.
    """
    cluster = kubernetes_target.prepare()
    return f"Argo CD {gitops.argocd_version()} on {cluster.context}"


def run(environment_name: str, digest: str | None = None) -> str:
    """Commits the work tree to the local stand-in and waits until the environment is Synced and Healthy at that commit.

    In a workflow nothing is committed: the environment is brought to the newest commit of main.

    Args:
        digest: The image to run; without one the local environment runs the image pushed last, and the others keep
            theirs.

    Returns:
        The URL that answers, or what was synced where there is none.

    Raises:
        PipelineError: There is no image to run, or the environment did not get there.
    """
    environment = environments.load(environment_name)
    if github.running():
        cluster = kubernetes_target.connect()
        revision = kubernetes_target.desired().tip()
    else:
        released = digest or _digest(environment)
        cluster = kubernetes_target.prepare()
        kubernetes_target.map_registries()
        message = f"Release {released[7:19]} to {environment.name}\n"
        revision = gitops.commit(message, digests={environment.name: released})
    address = kubernetes_target.deliver(cluster, environment, revision)
    reports.write(
        "sync", f"### Synced\n\n`{environment.name}` is at commit `{revision[:12]}`. {address}\n"
    )
    return address or f"{environment.name} at {revision[:12]}"


def _digest(environment: Environment) -> str:
    """The digest that the environment is to run: the pushed one, else the one that it has."""
    kept = gitops.digest(environment.name) or environment.digest
    if environment.name == "local":
        try:
            record = appimage.current()
        except PipelineError:
            record = None
        if record and record.digest:
            return record.digest
        if kept:
            console.warn(
                f"the last build is not pushed, so {kept[7:19]} keeps running (./inv push)"
            )
    if kept is None:
        raise PipelineError(
            f"environment {environment.name} has no image digest yet",
            next_step="run ./inv push, or promote one to it",
        )
    return kept
