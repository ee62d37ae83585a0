"""Where the application's Service answers: at its public URL, at its load balancer, or by forwarded ports alone."""

import atexit
import re
import subprocess
from typing import Any, NamedTuple

from pipeline.core import ports
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file
from pipeline.kubernetes import node
from pipeline.kubernetes.cluster import Cluster

#: The chart's annotation of the Service with the URL that users have, through an Ingress, a Gateway or another proxy.
URL = "delivery/url"
HTTP_PORT = 80
#: Classes of AWS's network load balancers, which are internal unless their scheme says otherwise.
AWS_CLASSES = ("service.k8s.aws/nlb", "eks.amazonaws.com/nlb")
#: Annotations with who may reach it, separated by commas, as `spec.loadBalancerSourceRanges` has it.
RANGES = (
    "alb.ingress.kubernetes.io/inbound-cidrs",
    "service.beta.kubernetes.io/load-balancer-source-ranges",
)
EVERYBODY = {"0.0.0.0/0", "::/0"}


class Address(NamedTuple):
    """The URL that users have (empty while there is none), and the host of the load balancer behind its name.

    ``internal``: it is not meant to be reached from outside the cluster's network.
    """

    url: str
    host: str = ""
    internal: bool = False


def address(cluster: Cluster, namespace: str, name: str) -> Address:
    """Where a Service, or the Ingress of its name, answers."""
    service = cluster.get("service", name, namespace)
    if service is None:
        return Address("")
    url = _annotations(service).get(URL, "")
    entry = (cluster.get("ingress", name, namespace) or service) if url else service
    balancer = (entry["status"].get("loadBalancer", {}).get("ingress") or [{}])[0]
    host = balancer.get("hostname") or balancer.get("ip") or ""
    if _is_internal(entry, url, host):
        return Address("", internal=True)
    if url or not host:
        return Address(url, host)
    if cluster.local and host == node.address():
        return Address(f"http://localhost:{ports.KUBERNETES_WEB}")
    port = service["spec"]["ports"][0]["port"]
    return Address(f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}")


def forward(cluster: Cluster, namespace: str, pod: str) -> str:
    """A URL of this machine that leads to a pod's port ``http`` until this process ends."""
    log = log_file("port-forward")
    argv = [*cluster.kubectl, "--namespace", namespace, "port-forward", f"pod/{pod}", ":http"]
    with log.open("ab") as errors:
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, text=True)
    atexit.register(child.terminate)
    line = child.stdout.readline() if child.stdout else ""
    match = re.match(r"Forwarding from (127\.0\.0\.1:\d+)", line)
    if match is None:
        raise PipelineError(
            f"the port of pod {pod} cannot be forwarded",
            next_step="the account needs the right to create pods/portforward (argocd/access)",
            log=log,
        )
    return f"http://{match[1]}"


def _annotations(entry: dict[str, Any]) -> dict[str, str]:
    return entry["metadata"].get("annotations") or {}


def _is_internal(entry: dict[str, Any], url: str, host: str) -> bool:
    """Whether not everybody gets there by a load balancer, by each cloud's annotation, or the name of AWS's."""
    if not url and entry["spec"].get("type") != "LoadBalancer":
        return True
    ranges = [*entry["spec"].get("loadBalancerSourceRanges", [])]
    for name in RANGES:
        ranges += _annotations(entry).get(name, "").replace(" ", "").split(",")
    if any(ranges) and EVERYBODY.isdisjoint(ranges):
        return True
    if entry["spec"].get("loadBalancerClass") in AWS_CLASSES:
        return "internet-facing" not in _annotations(entry).values()
    return host.startswith("internal-") or any(
        value.lower() == "internal" or key.endswith("load-balancer-internal")
        for key, value in _annotations(entry).items()
    )
