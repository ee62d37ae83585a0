"""Argo CD in a cluster: installed from its release, asked to look at Git now, and watched until it is done."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from pipeline import console, process
from pipeline.engines import gitops, programs
from pipeline.engines.kubernetes import Cluster
from pipeline.errors import CommandFailedError, PipelineError
from pipeline.images import ImageReference
from pipeline.paths import LOGS, ROOT, log_file
from pipeline.waiting import wait

NAMESPACE = "argocd"
INSTALL_SECONDS = 180
SYNC_SECONDS = 300
POLL_SECONDS = 0.4
#: Seconds that an Application may stay Degraded before a sync counts as failed (a Deployment passes through it).
DEGRADED_SECONDS = 5
#: Seconds after which a missing Application with a complaining generator counts as a failure.
GENERATOR_SECONDS = 20
#: Seconds between two requests to look at Git.
REFRESH_SECONDS = 5
EVENTS_SHOWN = 5
LOG_LINES = 15
#: Waiting reasons of a container that time alone does not mend.
HOPELESS = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)


#: Words of a complaint that is over as soon as a part of Argo CD, or Git, can be reached again.
PASSING = ("code = Unavailable", "code = DeadlineExceeded", "connection refused", "i/o timeout")

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


@dataclass(frozen=True)
class Failure:
    """Why a sync does not get there: one line, and the details (events, log lines) for a file."""

    cause: str
    details: str


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
    return process.capture([str(programs.program("kustomize")), "build", str(checkout / folder)])


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


def await_synced(
    cluster: Cluster,
    environment: str,
    revision: str,
    *,
    image: ImageReference | None,
    on_change: Callable[[str], None],
    timeout: float = SYNC_SECONDS,
) -> None:
    """Waits until the environment is Synced and Healthy at ``revision``.

    Args:
        image: What that revision runs: pods of other versions, which may be failing still, are not looked at.

    Raises:
        PipelineError: It cannot get there, or has not within ``timeout`` seconds; the cause names the resource, and
            the log holds its events and last log lines.
    """
    started, since = time.monotonic(), now().replace(microsecond=0)
    asked = degraded_since = None
    seen: dict[str, str] = {}
    while True:
        moment = time.monotonic()
        found = application(cluster, environment)
        behind = found is None or _revision(found) != revision
        # A refresh that Argo CD was too busy for is asked for again.
        if behind and (asked is None or moment - asked > REFRESH_SECONDS):
            refresh(cluster, environment)
            asked = moment
        if found is not None:
            for line in _news(found, revision, seen):
                on_change(line)
            if _done(found, revision):
                return
            if not behind and _is_of_another(found, revision):
                _terminate(cluster, environment)
            unhealthy = found.get("status", {}).get("health", {}).get("status") == "Degraded"
            rolled_out = _operation_revision(found) == revision and not _is_running(found)
            degraded_since = (degraded_since or moment) if unhealthy and rolled_out else None
            patience_over = (
                degraded_since is not None and moment - degraded_since > DEGRADED_SECONDS
            )
            failure = _unrenderable(found, revision, since) or _failure(
                cluster, environment, found, revision, image, degraded=patience_over
            )
            if failure:
                raise _error(environment, failure)
        elif moment - started > GENERATOR_SECONDS and (problem := _generator_problem(cluster)):
            raise _error(
                environment,
                Failure(f"Argo CD makes no Application for it: {_short(problem)}", problem),
            )
        if moment - started > timeout:
            raise _error(environment, _timeout(cluster, environment, found, revision, timeout))
        time.sleep(POLL_SECONDS)


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
    return wait(lambda: _reconciled(application(cluster, environment), since), timeout=timeout)


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


def _revision(found: dict[str, Any]) -> str:
    return str(found.get("status", {}).get("sync", {}).get("revision", ""))


def _operation(found: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = found.get("status", {}).get("operationState") or {}
    return state


def _operation_revision(found: dict[str, Any]) -> str:
    state = _operation(found)
    synced = (state.get("syncResult") or {}).get("revision")
    wanted = ((state.get("operation") or {}).get("sync") or {}).get("revision")
    return str(synced or wanted or "")


def _is_running(found: dict[str, Any]) -> bool:
    return _operation(found).get("phase") in ("Running", "Terminating")


def _is_of_another(found: dict[str, Any], revision: str) -> bool:
    """Whether an operation for another revision is under way: it would try again for minutes before ours begins."""
    other = _operation_revision(found)
    return _operation(found).get("phase") == "Running" and bool(other) and other != revision


def _terminate(cluster: Cluster, environment: str) -> None:
    patch = json.dumps({"status": {"operationState": {"phase": "Terminating"}}})
    name = application_name(environment)
    cluster.run("-n", NAMESPACE, "patch", "applications", name, "--type=merge", f"--patch={patch}")


def _done(found: dict[str, Any], revision: str) -> bool:
    status = found.get("status", {})
    synced = status.get("sync", {}).get("status") == "Synced" and _revision(found) == revision
    healthy = status.get("health", {}).get("status") == "Healthy"
    return synced and healthy and not _is_running(found)


def _news(found: dict[str, Any], revision: str, seen: dict[str, str]) -> list[str]:
    """What has changed since the last look, one line a resource."""
    lines = []
    current: dict[str, str] = {}
    if _operation_revision(found) == revision:
        for one in (_operation(found).get("syncResult") or {}).get("resources", []):
            if one.get("hookType"):
                current[f"{one['kind']} {one['name']}"] = one.get("hookPhase", "")
    if _revision(found) == revision:
        for one in found["status"].get("resources", []):
            health = (one.get("health") or {}).get("status", "")
            current[f"{one['kind']} {one['name']}"] = f"{one.get('status', '')} {health}".strip()
    for name, state in current.items():
        if seen.get(name) != state:
            seen[name] = state
            lines.append(f"{name}: {state}")
    return lines


def _unrenderable(found: dict[str, Any], revision: str, since: datetime) -> Failure | None:
    """What Argo CD complains of in ``revision``; a complaint about an earlier one goes with the next comparison."""
    status = found.get("status", {})
    for condition in status.get("conditions", []):
        if _is_passing(condition["message"]):
            continue
        # The revision of what cannot be rendered is the branch's name, so it has to be told by the time.
        about_this = (
            revision[:7] in condition["message"]
            or _revision(found) == revision
            or _compared(found, since)
        )
        if condition["type"] in ("ComparisonError", "InvalidSpecError") and about_this:
            return Failure(
                f"Argo CD cannot render it: {_short(condition['message'])}", condition["message"]
            )
    return None


def _is_passing(message: str) -> bool:
    """Whether what is complained of is over as soon as somebody answers again."""
    return any(word in message for word in PASSING)


def _compared(found: dict[str, Any], since: datetime) -> bool:
    """Whether a comparison that was asked for after ``since`` is over: Argo CD then takes the request away."""
    asked = "argocd.argoproj.io/refresh" in (found["metadata"].get("annotations") or {})
    return not asked and _reconciled(found, since)


def _reconciled(found: dict[str, Any] | None, since: datetime) -> bool:
    at = (found or {}).get("status", {}).get("reconciledAt")
    return at is not None and datetime.fromisoformat(at) >= since


def _failure(
    cluster: Cluster,
    environment: str,
    found: dict[str, Any],
    revision: str,
    image: ImageReference | None,
    *,
    degraded: bool,
) -> Failure | None:
    """What keeps the environment from getting to ``revision``, when it is certain that something does."""
    if _operation_revision(found) == revision:
        state = _operation(found)
        message = state.get("message", "")
        if "Retrying attempt" in message and _is_passing(message):
            return None
        if state.get("phase") in ("Failed", "Error") or "Retrying attempt" in message:
            return _failed_operation(cluster, environment, state)
        hopeless = _hopeless_pod(cluster, environment, image)
        if hopeless:
            return hopeless
    if degraded:
        bad = [
            one
            for one in found["status"].get("resources", [])
            if (one.get("health") or {}).get("status") == "Degraded"
        ]
        if bad:
            text = f"{bad[0]['kind']} {bad[0]['name']} is degraded: {bad[0]['health'].get('message', '')}"
            return Failure(text, _describe(cluster, environment, bad[0]["kind"], bad[0]["name"]))
    return None


def _generator_problem(cluster: Cluster) -> str:
    """What the ApplicationSet of the environments complains of; empty when it does not."""
    found = cluster.get("applicationsets.argoproj.io", "environments", NAMESPACE)
    if found is None:
        return "its ApplicationSet is not there yet"
    for one in found.get("status", {}).get("conditions", []):
        if one["type"] == "ErrorOccurred" and one["status"] == "True":
            return str(one["message"])
    return ""


def _failed_operation(cluster: Cluster, environment: str, state: dict[str, Any]) -> Failure:
    for one in (state.get("syncResult") or {}).get("resources", []):
        failed = one.get("hookPhase") in ("Failed", "Error") or one.get("status") == "SyncFailed"
        if failed:
            details = _describe(cluster, environment, one["kind"], one["name"])
            words = _last_log_line(details) or one.get("message", "")
            return Failure(f"{one['kind']} {one['name']} failed: {_short(words)}", details)
    return Failure(f"the sync failed: {_short(state.get('message', ''))}", state.get("message", ""))


def _hopeless_pod(
    cluster: Cluster, environment: str, image: ImageReference | None
) -> Failure | None:
    """A pod whose container cannot start; one that is restarted for the first time gets another chance."""
    for pod in cluster.items("pods", namespace(environment)):
        if pod["metadata"].get("deletionTimestamp") or _is_of_other_version(pod, image):
            continue
        status = pod["status"]
        for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in HOPELESS:
                name = pod["metadata"]["name"]
                details = _describe(cluster, environment, "Pod", name)
                words = _last_log_line(details) or waiting.get("message", "")
                return Failure(
                    f"pod {name} does not start ({waiting['reason']}): {_short(words)}", details
                )
    return None


def _is_of_other_version(pod: dict[str, Any], image: ImageReference | None) -> bool:
    """Whether a pod runs the application in another version than ``image``."""
    if image is None:
        return False
    used = {one["image"] for one in pod["spec"]["containers"]}
    return str(image) not in used and any(one.startswith(image.repository) for one in used)


def _timeout(
    cluster: Cluster, environment: str, found: dict[str, Any] | None, revision: str, timeout: float
) -> Failure:
    if found is None:
        return Failure(
            f"Argo CD has made no Application for it within {timeout:.0f} s",
            cluster.run("-n", NAMESPACE, "get", "applicationsets", "-o", "yaml"),
        )
    status = found.get("status", {})
    pending = [
        f"{one['kind']} {one['name']} ({(one.get('health') or {}).get('status') or one.get('status')})"
        for one in status.get("resources", [])
        if one.get("status") != "Synced"
        or (one.get("health") or {}).get("status") not in (None, "Healthy")
    ]
    if _revision(found) != revision:
        cause = (
            f"Argo CD is still at {_revision(found)[:12] or 'no revision'}, wanted {revision[:12]}"
        )
        told = "".join(f": {_short(one['message'])}" for one in status.get("conditions", [])[:1])
        return Failure(f"{cause}, after {timeout:.0f} s{told}", json.dumps(status, indent=1))
    first = pending[0].split(" ")[:2] if pending else None
    details = (
        _describe(cluster, environment, first[0], first[1])
        if first
        else json.dumps(status, indent=1)
    )
    return Failure(
        f"not healthy after {timeout:.0f} s: {', '.join(pending) or 'the Application'}", details
    )


def _describe(cluster: Cluster, environment: str, kind: str, name: str) -> str:
    """A resource's events and the last log lines of its pods that are not ready."""
    where = namespace(environment)
    text = f"{kind} {where}/{name}\n"
    events = cluster.items("events", where)
    events.sort(key=lambda one: one.get("lastTimestamp") or one["metadata"]["creationTimestamp"])
    about = [one for one in events if one["involvedObject"]["name"].startswith(name)]
    for one in about[-EVENTS_SHOWN:]:
        text += f"event: {one.get('reason')}: {one.get('message', '').strip()}\n"
    for pod in cluster.items("pods", where):
        if not pod["metadata"]["name"].startswith(name):
            continue
        states = [
            *pod["status"].get("initContainerStatuses", []),
            *pod["status"].get("containerStatuses", []),
        ]
        for one in states:
            if one.get("ready") and pod["status"]["phase"] == "Running":
                continue
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting:
                text += f"{one['name']}: {waiting.get('reason')}: {waiting.get('message', '')}\n"
            for previous in ([], ["--previous"]):
                try:
                    lines = cluster.run(
                        "-n",
                        where,
                        "logs",
                        pod["metadata"]["name"],
                        "-c",
                        one["name"],
                        f"--tail={LOG_LINES}",
                        *previous,
                    )
                except CommandFailedError:
                    continue
                text += "".join(f"log: {line}\n" for line in lines.splitlines())
                if lines.strip():
                    break
    return text


def _error(environment: str, failure: Failure) -> PipelineError:
    log = LOGS / f"sync-{environment}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{failure.cause}\n\n{failure.details}\n", encoding="utf-8")
    for line in failure.details.splitlines()[:25]:
        console.info(f"    {line}")
    return PipelineError(
        f"{environment}: {failure.cause}",
        next_step=f"mend it and run this again, or ./inv rollback {environment}; what ran before keeps serving",
        log=log,
    )


def _last_log_line(details: str) -> str:
    lines = [
        line.removeprefix("log: ") for line in details.splitlines() if line.startswith("log: ")
    ]
    return lines[-1] if lines else ""


def _short(text: str, limit: int = 300) -> str:
    words = " ".join(text.split())
    # Helm's own words come after a long way through Argo CD.
    for marker in ("execution error at", "error calling", "failed exit status"):
        if marker in words:
            words = words[words.index(marker) :]
            break
    return words if len(words) <= limit else words[:limit] + "…"


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
