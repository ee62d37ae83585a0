"""The target ``kubernetes``: a cluster whose Argo CD brings an environment to a commit."""

import contextlib
import os
from dataclasses import replace
from datetime import datetime
from typing import Any

import docker.errors
import httpx

from pipeline.argocd import git_server
from pipeline.argocd import install as argocd
from pipeline.argocd import sync as argocd_sync
from pipeline.aws import localaws
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.github import actions
from pipeline.images import app as app_image
from pipeline.images import docker as engine
from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes import external_database, node
from pipeline.kubernetes.cluster import Cluster
from pipeline.kubernetes.node import Registry
from pipeline.releases import environments, history
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import project
from pipeline.targets import web
from pipeline.targets.state import State, seconds_since

STAGES = {
    "test": (),
    "account": (),
    # Kubernetes needs nothing else of the account, which goes on beside it.
    "registry": (),
    "cluster": (),
    "build": (),
    "scan": ("build",),
    "push": ("registry", "scan"),
    "sync": ("cluster", "push", "test"),
    "verify": ("sync",),
}
MISSING = "run ./inv deploy --to kubernetes"
#: Pods of the application itself, not of its database or its migrations.
WEB_PODS = "app.kubernetes.io/component=web"
LOG_LINES = 20


def prepare(_environment: Environment) -> str:
    """Sees to the cluster and its Argo CD; needs no image, so that it can run beside the build."""
    cluster = prepared()
    return f"Argo CD {git_server.argocd_version()} on {cluster.context}"


def prepared() -> Cluster:
    """The cluster with an Argo CD that reads this machine's repository; made where it is missing.

    Raises:
        PipelineError: A tool, a port or a privilege is missing, or a part was not ready in time.
    """
    cluster = kubernetes.find()
    if cluster is None or cluster.local:
        cluster = kubernetes.up(_registries())
    host = repository_host(cluster)
    git_server.serve(host)
    if git_server.head() is None or not argocd.installed(cluster):
        git_server.commit("Take the work tree as it is\n", digests={})
    argocd.install(cluster, git_server.url(host))
    argocd.await_ready(cluster)
    return cluster


def repository_host(cluster: Cluster) -> str:
    """This machine's address as the cluster's pods see it.

    Raises:
        PipelineError: The cluster is one of the user's and CLUSTER_GIT_HOST does not say it.
    """
    if cluster.local:
        return node.gateway()
    host = os.environ.get("CLUSTER_GIT_HOST")
    if host:
        return host
    raise PipelineError(
        f"the cluster of context {cluster.context!r} has to reach this machine's Git repository",
        next_step="set CLUSTER_GIT_HOST to an address of this machine that its pods can reach",
    )


def connect() -> Cluster:
    """The cluster in use; raises PipelineError when there is none. Starts nothing."""
    cluster = kubernetes.find()
    if cluster is None:
        raise PipelineError("no cluster is up", next_step="run ./inv deploy --to kubernetes first")
    return cluster


def desired() -> history.Desired:
    """Where the desired state is changed: on GitHub in a workflow, else in this machine's stand-in."""
    return history.on_github() if actions.running() else git_server.desired()


def deliver(environment: Environment, digest: str | None = None) -> str:
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
    if actions.running():
        cluster = connect()
        revision = desired().tip()
    else:
        digest = digest or _next_digest(environment)
        cluster = prepared()
        map_registries()
        message = f"Release {digest[7:19]} to {environment.name}\n"
        revision = git_server.commit(message, digests={environment.name: digest})
    return sync(cluster, environment, revision) or f"{environment.name} at {revision[:12]}"


def verify(environment: Environment, digest: str | None = None) -> web.Reached:
    """Asks until every replica has answered with the digest; by default that of the Deployment."""
    state = observe(environment)
    if state is None or not state.url:
        raise PipelineError(f"{environment.name} does not run on Kubernetes", next_step=MISSING)
    return web.verify(
        (state.url, None),
        digest or state.image.partition("@")[2],
        environment.replicas,
        lambda: last_lines(environment),
    )


def last_lines(environment: Environment) -> list[str]:
    """The last lines of the log of one of the application's pods."""
    arguments = ["logs", f"--namespace={argocd.namespace(environment.name)}"]
    arguments += [f"--selector={WEB_PODS}", f"--tail={LOG_LINES}"]
    return connect().run(*arguments).splitlines()[-LOG_LINES:]


def released(environment: Environment, revision: str) -> str:
    """What became of a commit on this machine: `` at URL`` where a cluster is up, which is brought to it, else nothing.

    In a workflow the jobs that follow deploy it.
    """
    cluster = None if actions.running() else kubernetes.find()
    return f" at {sync(cluster, environment, revision)}" if cluster else ""


def sync(cluster: Cluster, environment: Environment, revision: str) -> str:
    """Has Argo CD bring an environment to a revision and waits until it is there; returns its URL (maybe empty).

    Raises:
        PipelineError: It did not get there; the cause says which resource kept it.
    """
    if cluster.local:
        external_database.ensure(cluster, environment, argocd.namespace(environment.name))
    with console.progress(f"sync {environment.name} to {revision[:12]}") as step:
        argocd_sync.await_synced(
            cluster,
            environment.name,
            revision,
            image=_image_at(environment, revision),
            on_change=step.update,
        )
    return url(cluster, environment.name) or ""


def _next_digest(environment: Environment) -> str:
    """The digest that the environment is to run: the pushed one, else the one that it has."""
    current = git_server.digest(environment.name) or environment.digest
    if environment.name == environments.LOCAL_ENVIRONMENT:
        with contextlib.suppress(PipelineError):
            built = app_image.current()
            if built.digest:
                return built.digest
        if current:
            console.warn(
                f"the last build is not pushed, so {current[7:19]} keeps running (./inv push)"
            )
    if current is None:
        raise PipelineError(
            f"environment {environment.name} has no image digest yet",
            next_step="run ./inv push, or promote one to it",
        )
    return current


def _image_at(environment: Environment, revision: str) -> ImageReference | None:
    """What a commit says the environment runs."""
    digest = history.at(revision, environment.name, root=desired().root)
    return ImageReference(environment.repository, digest) if digest else None


def url(cluster: Cluster, environment_name: str) -> str | None:
    """Where the environment answers; None while its load balancer has no address."""
    return kubernetes.service_url(cluster, argocd.namespace(environment_name), project().name)


def observe(environment: Environment) -> State | None:
    """What the Deployment runs, and whether all its pods run that."""
    cluster = kubernetes.find()
    if cluster is None:
        return None
    namespace = argocd.namespace(environment.name)
    deployment = cluster.get("deployment", project().name, namespace)
    if deployment is None:
        return None
    address = url(cluster, environment.name)
    image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
    state = State(address or "", image, "", False, _ready_pods(cluster, namespace, image))
    application = argocd.application(cluster, environment.name)
    if application is not None:
        state = replace(
            state,
            revision=application["status"].get("sync", {}).get("revision"),
            wanted_revision=git_server.head() if cluster.local else None,
            age=_age(application),
        )
    wanted = deployment["spec"].get("replicas", 1)
    if address is None:
        return state
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = web.ask(address)
        digest = image.partition("@")[2]
        same = not digest or answer.get("image") == digest
        healthy = same and state.replicas >= wanted and web.is_ready(address)
        state = replace(state, version=str(answer.get("version", "")), healthy=healthy)
    return state


def drift(environment_name: str) -> list[str]:
    """What differs between Git and the cluster, one line a resource; empty when nothing does, or nothing is there.

    Raises:
        PipelineError: Argo CD did not compare in time.
    """
    cluster = kubernetes.find()
    if cluster is None or argocd.application(cluster, environment_name) is None:
        return []
    if not argocd.compared_after(cluster, environment_name, argocd.now()):
        raise PipelineError(
            f"Argo CD has not compared {environment_name} with Git",
            next_step="kubectl -n argocd get pods shows whether its controller runs",
        )
    return argocd.differences(cluster, environment_name)


def _registries() -> list[Registry]:
    """Each environment's registry, under its real name, is the local AWS's one."""
    try:
        network = engine.client().networks.get(localaws.NETWORK)
    except docker.errors.NotFound:
        return []
    gateway = network.attrs["IPAM"]["Config"][0].get("Gateway")
    if not gateway:
        return []
    address = f"http://{gateway}:{localaws.registry().rpartition(':')[2]}"
    hosts = {environments.load(name).repository.partition("/")[0] for name in environments.names()}
    return [Registry(host, address) for host in sorted(hosts)]


def map_registries() -> None:
    """Tells the local node where the local AWS's registry is; it may have been started after the node."""
    node.map_registries(_registries())


def _ready_pods(cluster: Cluster, namespace: str, image: str) -> int:
    """Pods that are ready and run this image."""
    ready = 0
    for pod in cluster.items("pods", namespace, WEB_PODS):
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
        ours = any(one["image"] == image for one in pod["spec"]["containers"])
        ready += (
            ours
            and conditions.get("Ready") == "True"
            and "deletionTimestamp" not in pod["metadata"]
        )
    return ready


def _age(application: dict[str, Any]) -> int | None:
    """Seconds since the revision that runs was synced."""
    history = application["status"].get("history") or []
    if not history:
        return None
    return seconds_since(datetime.fromisoformat(history[-1]["deployedAt"]))
