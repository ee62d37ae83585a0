"""The down stage: everything that this checkout started is removed, and nothing else."""

import shutil

from pipeline.argocd import git_server as gitops
from pipeline.aws import localaws
from pipeline.core import console
from pipeline.core.paths import LOCAL
from pipeline.images import docker
from pipeline.kubernetes import cluster as kubernetes

#: What describes a world that is gone afterwards. What has passed for a content stays true.
FORGOTTEN = ("terraform", "environments", "gitops")


def run() -> str:
    """Ends the servers, removes containers, networks and volumes, and forgets the local state.

    Docker's engine keeps running, also when a task has started it: others may use it by now. Images stay, too: they
    make the next start quick.
    """
    with console.progress("down") as step:
        step.update("local AWS")
        localaws.stop(purge=True)
        step.update("Kubernetes")
        gitops.stop()
        step.update("containers")
        removed = docker.remove_ours()
        kubernetes.forget()
        for name in FORGOTTEN:
            shutil.rmtree(LOCAL / name, ignore_errors=True)
    return f"{len(removed)} containers, networks and volumes removed"
