"""The pods on Kubernetes: their output, commands in them, and the namespace's events. Starts nothing."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.argocd import application
from pipeline.core import process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import log_file
from pipeline.kubernetes import cluster as kubernetes_cluster
from pipeline.kubernetes import workload
from pipeline.releases.environments import Environment
from pipeline.releases.project import project
from pipeline.targets import kubernetes
from pipeline.targets.logs import Event, Line, timed

#: A line of ``kubectl logs --prefix --timestamps``.
PREFIXED = re.compile(r"\[pod/(?P<replica>[^/]+)/[^]]+\] (?P<rest>.*)")


def lines(environment: Environment, since: datetime) -> Iterator[Line]:
    """The lines of the pods that there are now."""
    namespace = application.namespace(environment.name)
    options = ("--prefix", "--timestamps", "--tail=-1", f"--since-time={since:%Y-%m-%dT%H:%M:%SZ}")
    output = kubernetes.connect().run(
        "logs", f"--namespace={namespace}", f"--selector={workload.PODS}", *options
    )
    for line in output.splitlines():
        if match := PREFIXED.fullmatch(line):
            yield from timed(match["replica"], match["rest"])


def replicas(environment: Environment) -> list[str]:
    """The names of the pods that are ready."""
    namespace = application.namespace(environment.name)
    pods = kubernetes.connect().items("pods", namespace, workload.PODS)
    names = [pod["metadata"]["name"] for pod in pods if kubernetes_cluster.is_ready(pod)]
    if not names:
        raise PipelineError(
            f"{environment.name} has no ready pod on Kubernetes", next_step=kubernetes.MISSING
        )
    return names


def execute(
    environment: Environment,
    replica: str,
    command: Sequence[str],
    on_line: Callable[[str], None],
) -> int:
    """The exit code of a command in a pod, as ``kubectl exec`` returns it; 1 also where the cluster refuses."""
    argv = [*kubernetes.connect().kubectl, "exec", replica]
    argv += [f"--namespace={application.namespace(environment.name)}"]
    argv += [f"--container={project().name}", "--", *command]
    try:
        process.run(argv, log=log_file("exec"), on_line=on_line)
    except CommandFailedError as error:
        return error.code
    return 0


def events(environment: Environment, since: datetime) -> Iterator[Event]:
    """The namespace's events; the API server keeps them for an hour unless it is told otherwise."""
    for item in kubernetes.connect().items("events", application.namespace(environment.name)):
        time = _last(item)
        if time >= since:
            about, count = item["involvedObject"], item.get("count") or 1
            times = f" ({count} times)" if count > 1 else ""
            name = f"{about['kind']}/{about['name']}"
            yield Event(time, name, item.get("reason") or "", f"{item.get('message') or ''}{times}")


def _last(item: dict[str, Any]) -> datetime:
    """When it happened last: a recorder of events.k8s.io sets eventTime and series, an older one lastTimestamp."""
    series = item.get("series") or {}
    stamps = (series.get("lastObservedTime"), item.get("lastTimestamp"), item.get("eventTime"))
    created = item["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(next(filter(None, stamps), created))
