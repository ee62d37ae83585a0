"""The target ``kubernetes``: a cluster whose Argo CD brings an environment to a commit."""

import contextlib
import os
from datetime import UTC, datetime

import docker.errors

from pipeline.argocd import admitted, application, canary, git_server, install
from pipeline.argocd.drift import differences
from pipeline.argocd.sync import await_synced, patience
from pipeline.attestations import admission
from pipeline.aws import localaws
from pipeline.core import console
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.github import actions
from pipeline.images import app as app_image
from pipeline.images import docker as engine
from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes import external_database, node, service, workload
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases import environments, freeze, history
from pipeline.releases.desired import Desired, on_github
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import at, project
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
LOG_LINES = 20
#: Commits that are looked through for what a rollback would go back to.
EARLIER = 20


def prepare(_environment: Environment) -> str:
    """Sees to the cluster and its Argo CD; needs no image, so that it can run beside the build."""
    cluster = prepared()
    return f"Argo CD {install.version()} on {cluster.context}"


def prepared() -> Cluster:
    """The cluster with an Argo CD that reads this machine's repository; made where it is missing."""
    cluster = kubernetes.find()
    if cluster is None or cluster.local:
        cluster = kubernetes.up(registries())
    # Before a commit has Argo CD bring itself to another release.
    release = install.release(cluster)
    host = repository_host(cluster)
    git_server.serve(host)
    if git_server.head() is None or release != install.version():
        git_server.commit("Take the work tree as it is\n", host=host, digests={})
    install.install(cluster, git_server.url(host))
    install.await_ready(cluster)
    return cluster


def repository_host(cluster: Cluster) -> str:
    """This machine's address as the cluster's pods see it; of the user's clusters CLUSTER_GIT_HOST names it."""
    if cluster.local:
        return node.gateway()
    if host := os.environ.get("CLUSTER_GIT_HOST"):
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


def desired(*changed: Environment) -> Desired:
    """Where the desired state of environments is changed: on GitHub in a workflow, else in this machine's stand-in.

    Raises PipelineError outside of a workflow where Git's file of one names a release: it does not run by the stand-in.
    """
    released = any(each.digest for each in changed)
    return on_github() if actions.running() or released else git_server.desired()


def deliver(environment: Environment, digest: str | None = None) -> str:
    """Commits the work tree to the local stand-in, and waits until the environment is Synced and Healthy at it.

    In a workflow nothing is committed: the environment is brought to the newest commit of main. Without ``digest`` the
    local environment runs the image pushed last, and the others keep theirs. Returns the URL where there is one.
    """
    if actions.running():
        cluster = connect()
        revision = desired().tip()
        released = next(iter(history.commits(revision, environment.name, limit=1)))
        if released.digest:
            admission.require_here(environment, released.digest)
    else:
        digest = digest or _next_digest(environment)
        admission.require_here(environment, digest)
        cluster = prepared()
        message = f"Release {digest[7:19]} to {environment.name}\n"
        host = repository_host(cluster)
        revision = git_server.commit(message, host=host, digests={environment.name: digest})
    return sync(cluster, environment, revision) or f"{environment.name} at {revision[:12]}"


def verify(environment: Environment, digest: str | None = None) -> web.Reached:
    """Asks until every replica has answered with the digest; by default that of the cluster.

    What is internal is asked pod by pod, through the API server.
    """
    cluster, namespace = connect(), application.namespace(environment.name)
    found = workload.find(cluster, namespace, project().name)
    if found is None:
        raise PipelineError(f"{environment.name} does not run on Kubernetes", next_step=MISSING)
    image = workload.image(found)
    wanted = digest or image.partition("@")[2]
    place = service.address(cluster, namespace, project().name)
    # A name whose load balancer is not known here, such as a Gateway's, may lead to the other engine.
    by_pods = place.internal or bool(place.url and not place.host and not cluster.local)
    pods = workload.ready(cluster, namespace, image) if by_pods else []

    def verified(reached: web.Reached, replicas: int) -> web.Reached:
        return web.verify(
            reached,
            wanted,
            replicas,
            lambda: last_lines(environment),
            lambda: (state := observe(environment)) is not None and state.runs(wanted),
            probes=at(environment.revision).probes,
        )

    if place.url and not by_pods:
        return verified(web.at(place.url, place.host), environment.replicas)
    if len(pods) < environment.replicas:
        lacks = f"{len(pods)} of {environment.replicas} pods" if by_pods else "no address"
        raise PipelineError(
            f"{environment.name} has {lacks} yet",
            next_step=f"kubectl -n {namespace} describe services,pods shows why",
        )
    forwarded = [(service.forward(cluster, namespace, pod), None) for pod in pods]
    for reached in forwarded:
        verified(reached, 1)
    return (place.url, None) if place.url else forwarded[0]


def last_lines(environment: Environment) -> list[str]:
    """The last lines of the application's pods' logs; empty where none has started."""
    arguments = ["logs", f"--namespace={application.namespace(environment.name)}"]
    arguments += [f"--selector={workload.PODS}", f"--tail={LOG_LINES}"]
    with contextlib.suppress(PipelineError):
        return connect().run(*arguments).splitlines()[-LOG_LINES:]
    return []


def released(environment: Environment, revision: str) -> str:
    """`` at URL`` where this machine's cluster was brought to a commit; in a workflow the jobs that follow do so."""
    cluster = None if actions.running() else kubernetes.find()
    return f" at {sync(cluster, environment, revision)}" if cluster else ""


def sync(cluster: Cluster, environment: Environment, revision: str) -> str:
    """Has Argo CD bring an environment to a revision, whose image was verified; returns its URL (maybe empty)."""
    if cluster.local:
        external_database.ensure(cluster, environment, application.namespace(environment.name))
    source = desired()
    content = history.at(revision, environment.name, root=source.root)
    digest = content["image"]["digest"]
    image = digest and ImageReference(environment.repository, digest)
    if image:
        past = history.commits(revision, environment.name, root=source.root, limit=EARLIER)
        before = history.earlier(past)
        protected = bool((content.get("admission") or {}).get("enabled"))
        keep = before.digest if before else None
        admitted.admit(cluster, environment.name, image, keep=keep, protected=protected)
    judged = canary.seconds(cluster, content)
    if judged:
        canary.require_kinds(cluster)
    wanted = application.wanted(revision, content)
    with (
        console.progress(f"sync {environment.name} to {revision[:12]}") as step,
        contextlib.nullcontext() if actions.running() else git_server.judged(revision),
    ):
        await_synced(
            *(cluster, environment.name, wanted),
            contains=application.contained(source, revision, environment.name),
            start=freeze.end(content, datetime.now(UTC)) is not None,
            image=image,
            on_change=step.update,
            timeout=patience(content) + judged,
        )
    namespace = application.namespace(environment.name)
    return service.address(cluster, namespace, project().name).url


def _next_digest(environment: Environment) -> str:
    """The digest that the environment is to run: on this machine's every target the same."""
    current = environments.resolved(environment.name).digest or git_server.digest(environment.name)
    built = app_image.load() if environment.name == environments.LOCAL_ENVIRONMENT else None
    if current and built and not built.digest:
        console.warn(f"the last build is not pushed: {current[7:19]} keeps running (./inv push)")
    if current is None:
        raise PipelineError(
            f"environment {environment.name} has no image digest yet",
            next_step="run ./inv push, or promote one to it",
        )
    return current


def observe(environment: Environment) -> State | None:
    """What the cluster is to run, and whether all its pods run that; what is internal is judged by its probes."""
    cluster = kubernetes.find()
    namespace = application.namespace(environment.name)
    found = workload.find(cluster, namespace, project().name) if cluster else None
    if cluster is None or found is None:
        return None
    place = service.address(cluster, namespace, project().name)
    url, via = web.at(place.url, place.host) if place.url else ("", None)
    image = workload.image(found)
    ready = len(workload.ready(cluster, namespace, image))
    answer = web.answer(url, via) if url else {}
    shown = answer.get("image") if project().probes.version else image.partition("@")[2]
    answers = image.partition("@")[2] in ("", shown) and web.is_ready(url, via)
    synced = (application.get(cluster, environment.name) or {}).get("status", {})
    deployments = synced.get("history") or []
    compared = synced.get("sync", {})
    live = compared if compared.get("status") == "Synced" else (deployments or [{}])[-1]
    return State(
        url=url,
        via=via,
        image=image,
        version=str(answer.get("version", "")),
        healthy=ready >= found["spec"].get("replicas", 1) and (place.internal or answers),
        replicas=ready,
        revision=live.get("revision"),
        wanted_revision=git_server.wanted(environment.name) if synced and cluster.local else None,
        age=seconds_since(deployments[-1]["deployedAt"]) if deployments else None,
    )


def drift(environment_name: str) -> tuple[list[str], bool]:
    """What differs between Git and the cluster, one line a resource, and whether that could be compared.

    Where a cluster is promised (the variable KUBERNETES_ENABLED) a comparison that fails is a difference.
    """
    cluster = kubernetes.find()
    promised = os.environ.get("KUBERNETES_ENABLED") == "true"
    try:
        if cluster is None:
            problem = "no cluster is in use"
        elif application.get(cluster, environment_name) is None:
            problem = "Argo CD has no application for it"
        elif not application.compare(cluster, environment_name):
            promised, problem = True, "Argo CD has not looked at Git: does its controller run?"
        else:
            return differences(cluster, environment_name), True
    except CommandFailedError as error:
        promised, problem = True, error.tail[-1] if error.tail else error.cause
    line = f"Kubernetes: NOT COMPARED ({problem})"
    console.warn(line)
    return ([line] if promised else []), False


def registries() -> dict[str, str]:
    """Each environment's registry, under its real name, is the local AWS's one."""
    try:
        network = engine.client().networks.get(localaws.NETWORK)
    except docker.errors.NotFound:
        return {}
    gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
    address = f"http://{gateway}:{localaws.registry().rpartition(':')[2]}"
    repositories = (environments.load(name).repository for name in environments.names())
    return {repository.partition("/")[0]: address for repository in repositories}
