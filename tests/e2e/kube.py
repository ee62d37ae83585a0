"""The scratch clone's cluster, as its tests ask and disturb it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import httpx

from pipeline.kubernetes import workload
from pipeline.kubernetes.cluster import Cluster, is_ready
from pipeline.releases.project import project
from pipeline.targets import web
from tests.e2e.checkout import Checkout, containers

NAME = project().name
NAMESPACE = APPLICATION = f"{NAME}-local"
DEPLOYMENT = f"deployment/{NAME}"
PODS = "app.kubernetes.io/component=web"


@dataclass(frozen=True)
class OnKubernetes:
    """A clone whose application runs on Kubernetes, its cluster, and the URL that ``./inv deploy`` printed."""

    checkout: Checkout
    cluster: Cluster
    url: str

    def kubectl(self, *arguments: str) -> str:
        """The output of a kubectl command."""
        return self.cluster.run(*arguments)

    def application(self) -> dict[str, Any]:
        """Argo CD's view of the local environment."""
        found = self.cluster.get("applications.argoproj.io", APPLICATION, "argocd")
        assert found is not None
        return found

    def pods(self) -> dict[str, dict[str, Any]]:
        """The application's pods by name, those that are going left out."""
        found = self.cluster.items("pods", NAMESPACE, PODS)
        return {
            one["metadata"]["name"]: one
            for one in found
            if "deletionTimestamp" not in one["metadata"]
        }

    def ready_pods(self) -> list[str]:
        """Names of the pods that take requests."""
        return [name for name, one in self.pods().items() if is_ready(one)]

    def image(self) -> str:
        """The image that the Deployment or Rollout asks for."""
        found = workload.find(self.cluster, NAMESPACE, NAME)
        assert found is not None
        return workload.image(found)

    def text(self) -> str:
        """What ``/readyz`` says."""
        return httpx.get(f"{self.url}/readyz", timeout=10).text.strip()

    def node(self) -> str:
        """The name of the node's container."""
        return next(name for name in containers(self.checkout) if name.endswith("-node"))

    def on_node(self, *argv: str) -> None:
        """Runs a command on the node."""
        container = docker.from_env().containers.get(self.node())
        done = container.exec_run(list(argv))
        assert done.exit_code == 0, done.output

    def release(self) -> None:
        """Builds, pushes and syncs what is in the clone."""
        for task in ("build", "push", "sync"):
            self.checkout.inv(task)

    def reset(self) -> None:
        """Brings clone and cluster back to the clone's commit, whatever a test has left."""
        self.checkout.restore()
        self.release()


def eventually(check: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for a condition; an AssertionError that says ``what`` when it does not come."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


def answers(url: str, replicas: int) -> dict[str, dict[str, Any]]:
    """The answers of the version probe by hostname, from that many replicas."""
    by_host: dict[str, dict[str, Any]] = {}

    def enough() -> bool:
        if answer := web.answer(url):
            by_host[answer["hostname"]] = answer
        return len(by_host) >= replicas

    eventually(enough, 30, f"{replicas} replicas answer at {url}")
    return by_host


@contextmanager
def watched(
    cluster: Cluster, kind: str, name: str, namespace: str, field: str
) -> Iterator[list[str]]:
    """Every value that a field of an object has while the body runs, in order; empty where it is not there."""
    argv = [*cluster.kubectl, "-n", namespace, "get", kind, name, "--watch"]
    output = f'--output=jsonpath={{{field}}}{{"\\n"}}'
    seen: list[str] = []
    with subprocess.Popen([*argv, output], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        reader = threading.Thread(target=lambda: seen.extend(map(str.strip, child.stdout or ())))
        reader.start()
        try:
            yield seen
        finally:
            child.terminate()
            reader.join()
