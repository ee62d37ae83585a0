"""Removes everything that this checkout started, and nothing else."""

import os
import shutil

from pipeline.argocd import git_server
from pipeline.aws import localaws
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL
from pipeline.images import docker
from pipeline.kubernetes import cluster as kubernetes

#: State of what is gone afterwards. What has passed for a content stays true.
FORGOTTEN = ("terraform", "environments", "gitops")


def run() -> Result:
    """Ends the servers, removes containers, networks and volumes, and forgets the local state.

    Docker's engine keeps running, as others may use it by now. Images stay: they make the next start quick.
    """
    if docker.running_engine() is None and (
        os.environ.get("DOCKER_HOST") or shutil.which("docker")
    ):
        raise PipelineError(
            "the Docker engine does not answer, so what this checkout started in it was not looked for",
            next_step="start the engine, or correct DOCKER_HOST, then run ./inv down again",
        )
    with console.progress("down") as step:
        step.update("local AWS")
        localaws.stop(purge=True)
        step.update("Kubernetes")
        git_server.stop()
        step.update("containers")
        removed = docker.remove_ours()
        kubernetes.forget()
        for name in FORGOTTEN:
            shutil.rmtree(LOCAL / name, ignore_errors=True)
    return Result(f"{len(removed)} containers, networks and volumes removed")
