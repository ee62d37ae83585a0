"""The target ``kubernetes``: how an environment gets there, what it runs, and where a user reaches it."""

import contextlib
import os
from dataclasses import replace
from datetime import datetime
from typing import Any

import docker.errors
import httpx

from pipeline.argocd import git_server as gitops
from pipeline.argocd import install as argocd
from pipeline.argocd import sync as argocd_sync
from pipeline.aws import localaws
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.github import actions as github
from pipeline.images import docker as engine
from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes import external_database, node
from pipeline.kubernetes.cluster import Cluster
from pipeline.kubernetes.node import Registry
from pipeline.releases import environments
from pipeline.releases import history as releases
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import web
from pipeline.targets.state import State, seconds_since

SERVICE = "ecs-saas-app"


def prepare() -> Cluster:
    """The cluster with an Argo CD that reads this machine's repository; made where it is missing.

    Raises:
        PipelineError: A tool, a port or a privilege is missing, or a part was not ready in time.
    """
    cluster = kubernetes.find()
    if cluster is None or cluster.local:
        cluster = kubernetes.up(_registries())
    host = repository_host(cluster)
    gitops.serve(host)
    if gitops.head() is None or not argocd.installed(cluster):
        gitops.commit("Take the work tree as it is\n", digests={})
    argocd.install(cluster, gitops.url(host))
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
    """The cluster in use; starts nothing.

    In a workflow it is the one that the secret KUBECONFIG_CONTENT leads to.

    Raises:
        PipelineError: There is none.
    """
    content = os.environ.get("KUBECONFIG_CONTENT")
    cluster = kubernetes.from_content(content) if content else kubernetes.find()
    if cluster is None:
        raise PipelineError("no cluster is up", next_step="run ./inv deploy --to kubernetes first")
    return cluster


def desired() -> releases.Desired:
    """Where the desired state is changed: on GitHub in a workflow, else in this machine's stand-in."""
    return releases.on_github() if github.running() else gitops.desired()


def deliver(cluster: Cluster, environment: Environment, revision: str) -> str:
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


def _image_at(environment: Environment, revision: str) -> ImageReference | None:
    """What a commit says the environment runs."""
    digest = releases.at(revision, environment.name, root=desired().root)
    return ImageReference(environment.repository, digest) if digest else None


def url(cluster: Cluster, environment_name: str) -> str | None:
    """Where the environment answers; None while its load balancer has no address."""
    return kubernetes.service_url(cluster, argocd.namespace(environment_name), SERVICE)


def observe(environment_name: str = "local") -> State | None:
    """What the environment runs on the cluster in use; None when it is not there. Starts nothing."""
    cluster = kubernetes.find()
    if cluster is None:
        return None
    namespace = argocd.namespace(environment_name)
    deployment = cluster.get("deployment", SERVICE, namespace)
    if deployment is None:
        return None
    address = url(cluster, environment_name)
    image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
    state = State(address or "", image, "", False, _ready_pods(cluster, namespace, image))
    application = argocd.application(cluster, environment_name)
    if application is not None:
        state = replace(
            state,
            revision=application["status"].get("sync", {}).get("revision"),
            wanted_revision=gitops.head() if cluster.local else None,
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
    content = os.environ.get("KUBECONFIG_CONTENT")
    cluster = kubernetes.from_content(content) if content else kubernetes.find()
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
    for pod in cluster.items("pods", namespace, "app.kubernetes.io/component=web"):
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
