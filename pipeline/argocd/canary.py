"""Canaries of Argo Rollouts: how long one is judged, whether a cluster can have one, and which Job refused one."""

from typing import Any

from pipeline.argocd import application
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.environments import LOCAL_ENVIRONMENT

KIND = "rollouts.argoproj.io"
RUNS = "analysisruns.argoproj.io"
#: The chart's defaults of ``canary.trial`` and ``canary.seconds``.
TRIAL, SECONDS = 10, 60
#: Argo CD looks at Git, makes the Application and applies three megabytes of definitions.
INSTALL_SECONDS = 180
POLL_SECONDS = 1


def seconds(cluster: Cluster, content: dict[str, Any]) -> float:
    """Seconds that a new version is judged for, by an environment's file; 0 where it has no canary.

    On this machine's cluster no other environment than its own has one (argocd/apps/local).
    """
    canary = content.get("canary") or {}
    if not canary.get("enabled") or (cluster.local and content["name"] != LOCAL_ENVIRONMENT):
        return 0
    return float(canary.get("trial", TRIAL) + canary.get("seconds", SECONDS))


def require_kinds(cluster: Cluster) -> None:
    """Waits until the cluster knows Rollouts, which Argo CD installs from Git.

    Raises:
        PipelineError: It does not, ``INSTALL_SECONDS`` later.
    """
    if _known(cluster):
        return
    with console.progress("Argo Rollouts"):
        application.refresh_generator(cluster, "rollouts")
        if wait(lambda: _known(cluster), timeout=INSTALL_SECONDS, interval=POLL_SECONDS):
            return
    raise PipelineError(
        "the cluster has no Argo Rollouts, which canary.enabled needs",
        next_step="kubectl -n argocd describe applicationset rollouts, application rollouts shows why",
    )


def judge(cluster: Cluster, namespace: str, rollout: str) -> str:
    """The name of the Job that refused the Rollout's newest version; empty where none did.

    A run's name begins with the Rollout's and the version's, also one of a trial, which has no label of the version.
    """
    state = cluster.get(KIND, rollout, namespace) or {}
    version = f"{rollout}-{state.get('status', {}).get('currentPodHash')}-"
    runs = [
        run
        for run in cluster.items(RUNS, namespace)
        if run["metadata"]["name"].startswith(version)
        and run.get("status", {}).get("phase") in ("Failed", "Error")
    ]
    runs.sort(key=lambda run: run["metadata"]["creationTimestamp"])
    results = runs[-1]["status"].get("metricResults", []) if runs else []
    measured = [each for result in results for each in result.get("measurements", [])]
    names = [each.get("metadata", {}).get("job-name", "") for each in measured]
    return next(filter(None, reversed(names)), "")


def _known(cluster: Cluster) -> bool:
    """Any account may ask which kinds there are."""
    return KIND in cluster.run("api-resources", "--api-group=argoproj.io", "--output=name").split()
