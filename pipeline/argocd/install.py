"""Argo CD in a cluster: installed from its release, asked to look at Git now, and what it finds different there."""

import json
import secrets
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from pipeline.argocd import application as argocd_state
from pipeline.argocd import git_server as gitops
from pipeline.core import console, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.kubernetes.programs import program

NAMESPACE = "argocd"
INSTALL_SECONDS = 180
#: Where the repository's address stands in the manifests of argocd/apps/local.
REPOSITORY_FIELDS = (
    ("Application", "argocd", ["/spec/source/repoURL"]),
    (
        "ApplicationSet",
        "environments",
        ["/spec/generators/0/git/repoURL", "/spec/template/spec/source/repoURL"],
    ),
    ("AppProject", "ecs-saas-app", ["/spec/sourceRepos/0"]),
    ("AppProject", "ecs-saas-app-previews", ["/spec/sourceRepos/0"]),
)


def application_name(environment: str) -> str:
    """The Application of an environment."""
    return f"ecs-saas-app-{environment}"


def namespace(environment: str) -> str:
    """The namespace that an environment runs in."""
    return f"ecs-saas-app-{environment}"


def installed(cluster: Cluster) -> bool:
    """Whether the Argo CD of the pinned release runs in the cluster."""
    found = cluster.get("statefulset", "argocd-application-controller", NAMESPACE)
    if found is None:
        return False
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    return str(image).endswith(f":{gitops.argocd_version()}")


def install(cluster: Cluster, repository: str) -> None:
    """Installs Argo CD's core where it is missing, and the Application that brings the others from ``repository``.

    Raises:
        PipelineError: It was not ready in time, or the cluster refused it.
    """
    if not installed(cluster):
        with console.progress(f"Argo CD {gitops.argocd_version()}"):
            cluster.apply(render("argocd/install/core"))
            _ensure_secret(cluster)
    _apply_root(cluster, repository)


def await_ready(cluster: Cluster) -> None:
    """Waits until Argo CD can sync: its controller, its repository server and its cache run.

    Raises:
        PipelineError: They did not in time.
    """
    names = ("argocd-repo-server", "argocd-redis", "argocd-applicationset-controller")

    def ready() -> bool:
        deployed = {one["metadata"]["name"]: one for one in cluster.items("deployments", NAMESPACE)}
        controller = cluster.get("statefulset", "argocd-application-controller", NAMESPACE)
        running = [
            deployed.get(name, {}).get("status", {}).get("readyReplicas", 0) for name in names
        ]
        running.append((controller or {}).get("status", {}).get("readyReplicas", 0))
        step.update(f"{sum(1 for one in running if one)} of {len(running)} parts ready")
        return all(running)

    if _silently(cluster, names):
        return
    with console.progress("Argo CD ready") as step:
        if not wait(ready, timeout=INSTALL_SECONDS):
            log = log_file("argocd")
            log.write_text(cluster.run("-n", NAMESPACE, "describe", "pods"), encoding="utf-8")
            raise PipelineError(
                f"Argo CD was not ready within {INSTALL_SECONDS} s",
                next_step="read the log",
                log=log,
            )


def render(folder: str) -> str:
    """The manifests of a kustomization of the stand-in's newest commit, as YAML."""
    tip = gitops.head()
    if tip is None:
        raise PipelineError("the Git stand-in is empty", next_step="run ./inv sync")
    checkout = gitops.FOLDER / "rendered"
    checkout.mkdir(parents=True, exist_ok=True)
    archive = gitops.FOLDER / "argocd.tar"
    process.capture(["git", "archive", "--output", str(archive), tip, "argocd"], cwd=gitops.BARE)
    process.capture(["tar", "--extract", "--file", str(archive), "--directory", str(checkout)])
    archive.unlink()
    return process.capture([program("kubectl"), "kustomize", checkout / folder])


def refresh(cluster: Cluster, environment: str) -> None:
    """Makes Argo CD look at Git now instead of at its next poll: for the environment, its generator and the root."""
    name = application_name(environment)
    argv = ["-n", NAMESPACE, "annotate", "--overwrite"]
    for kind, one, key, value in (
        ("applications", "root", "argocd.argoproj.io/refresh", "normal"),
        ("applicationsets", "environments", "argocd.argoproj.io/application-set-refresh", "true"),
        ("applications", name, "argocd.argoproj.io/refresh", "normal"),
    ):
        try:
            cluster.run(*argv, kind, one, f"{key}={value}")
        except CommandFailedError as error:
            if "NotFound" not in " ".join(error.tail):
                raise


def application(cluster: Cluster, environment: str) -> dict[str, Any] | None:
    """The environment's Application as the cluster has it."""
    return cluster.get("applications.argoproj.io", application_name(environment), NAMESPACE)


def differences(cluster: Cluster, environment: str) -> list[str]:
    """What differs between Git and the cluster, one line a resource, with who changed it last where that is known."""
    found = application(cluster, environment)
    if found is None:
        return []
    lines = []
    for one in found.get("status", {}).get("resources", []):
        if one.get("status") not in (None, "Synced"):
            name = f"{one['kind']} {one.get('namespace', '')}/{one['name']}"
            what = "is not in Git any more" if one.get("requiresPruning") else "differs from Git"
            lines.append(f"{name} {what}{_last_editor(cluster, one)}")
    for condition in found.get("status", {}).get("conditions", []):
        if condition["type"].endswith("Error"):
            lines.append(f"{condition['type']}: {condition['message'].splitlines()[0]}")
    return lines


def compared_after(
    cluster: Cluster, environment: str, moment: datetime, *, timeout: float = 60
) -> bool:
    """Whether Argo CD has compared Git and cluster after ``moment``; asks it to and waits."""
    refresh(cluster, environment)

    since = moment.replace(microsecond=0)
    return wait(
        lambda: argocd_state.reconciled(application(cluster, environment), since), timeout=timeout
    )


def _silently(cluster: Cluster, names: tuple[str, ...]) -> bool:
    deployed = {one["metadata"]["name"]: one for one in cluster.items("deployments", NAMESPACE)}
    controller = cluster.get("statefulset", "argocd-application-controller", NAMESPACE) or {}
    ready = [deployed.get(name, {}).get("status", {}).get("readyReplicas", 0) for name in names]
    return all([*ready, controller.get("status", {}).get("readyReplicas", 0)])


def _ensure_secret(cluster: Cluster) -> None:
    """Core mode has no API server that would make the key which Argo CD's parts sign with."""
    found = cluster.get("secret", "argocd-secret", NAMESPACE)
    if found is not None and "server.secretkey" in (found.get("data") or {}):
        return
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd-secret"},
        "stringData": {"server.secretkey": secrets.token_urlsafe(32)},
    }
    cluster.apply(json.dumps(secret), namespace=NAMESPACE, manager="ecs-saas-app-secret")


def _apply_root(cluster: Cluster, repository: str) -> None:
    """The bootstrap of argocd/bootstrap with this machine's repository and the overlay for one machine."""
    yaml = YAML(typ="safe")
    project = yaml.load(
        (ROOT / "argocd" / "bootstrap" / "platform.yaml").read_text(encoding="utf-8")
    )
    root = yaml.load((ROOT / "argocd" / "bootstrap" / "root.yaml").read_text(encoding="utf-8"))
    project["spec"]["sourceRepos"] = [repository]
    source = root["spec"]["source"]
    source |= {"repoURL": repository, "targetRevision": gitops.BRANCH, "path": "argocd/apps/local"}
    # What argocd/apps/base/kustomization.yaml puts in from repository.yaml, with this machine's repository instead.
    source["kustomize"] = {
        "patches": [
            {
                "target": {"kind": kind, "name": name},
                "patch": json.dumps(
                    [{"op": "replace", "path": path, "value": repository} for path in paths]
                ),
            }
            for kind, name, paths in REPOSITORY_FIELDS
        ]
    }
    present = cluster.get("applications.argoproj.io", "root", NAMESPACE)
    if present is not None and present["spec"]["source"] == source:
        return
    text = StringIO()
    YAML().dump_all([project, root], text)

    def applied() -> bool:
        try:
            cluster.apply(text.getvalue())
        except CommandFailedError as error:
            # The definitions of its kinds were applied a moment ago.
            if "no matches for kind" in " ".join(error.tail):
                return False
            raise
        return True

    if not wait(applied, timeout=30):
        raise PipelineError(
            "the cluster does not know Argo CD's kinds", next_step="run ./inv sync again"
        )


def _last_editor(cluster: Cluster, resource: dict[str, Any]) -> str:
    kind = (
        resource["kind"] if not resource.get("group") else f"{resource['kind']}.{resource['group']}"
    )
    try:
        found = json.loads(
            cluster.run(
                "get",
                kind,
                resource["name"],
                "-n",
                resource.get("namespace", ""),
                "-o",
                "json",
                "--show-managed-fields",
            )
        )
    except CommandFailedError:
        return ""
    others = [
        one
        for one in found["metadata"].get("managedFields", [])
        if not one["manager"].startswith(("argocd", "kube-")) and one.get("subresource") != "status"
    ]
    if not others:
        return ""
    last = max(others, key=lambda one: one.get("time", ""))
    return f" (last changed by {last['manager']} at {last.get('time', 'an unknown time')})"


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
