"""Where the application answers, by the objects that its chart and a cloud's controllers make."""

from typing import Any

import pytest

from pipeline.kubernetes import service
from pipeline.kubernetes.cluster import Cluster
from pipeline.kubernetes.service import Address

CLUSTER = Cluster("cloud", None, local=False)
URL, HOST = "https://shop.example.org", "lb-1.elb.amazonaws.com"
INTERNAL = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}
FACING = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"}
AZURE = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}


def entry(host: str = "", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Service or an Ingress as the API server returns it."""
    status = {"loadBalancer": {"ingress": [{"hostname": host}]} if host else {}}
    return {"metadata": {"annotations": annotations}, "spec": spec, "status": status}


def balanced(
    host: str = "",
    annotations: dict[str, str] | None = None,
    *,
    port: int = 80,
    of_class: str | None = None,
) -> dict[str, Any]:
    ports = [{"port": port}]
    return entry(host, annotations, type="LoadBalancer", ports=ports, loadBalancerClass=of_class)


NAMED = entry(annotations={service.URL: URL}, type="ClusterIP")


@pytest.mark.parametrize(
    ("objects", "address"),
    [
        ({}, Address("")),
        ({"service": balanced()}, Address("")),
        ({"service": balanced(HOST)}, Address(f"http://{HOST}")),
        ({"service": balanced(HOST, port=8080)}, Address(f"http://{HOST}:8080")),
        ({"service": balanced(HOST, INTERNAL)}, Address("", internal=True)),
        ({"service": balanced(HOST, AZURE)}, Address("", internal=True)),
        ({"service": entry(type="ClusterIP")}, Address("", internal=True)),
        ({"service": balanced(HOST, of_class="service.k8s.aws/nlb")}, Address("", internal=True)),
        (
            {"service": balanced(HOST, FACING, of_class="eks.amazonaws.com/nlb")},
            Address(f"http://{HOST}"),
        ),
        (
            {"service": entry(HOST, type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"])},
            Address("", internal=True),
        ),
        (
            {
                "service": NAMED,
                "ingress": entry(HOST, {"alb.ingress.kubernetes.io/inbound-cidrs": "192.0.2.0/24"}),
            },
            Address("", internal=True),
        ),
        (
            {
                "service": NAMED,
                "ingress": entry(
                    HOST, {"alb.ingress.kubernetes.io/inbound-cidrs": "::/0, 0.0.0.0/0"}
                ),
            },
            Address(URL, HOST),
        ),
        # Of an HTTPRoute the Gateway has the load balancer: its name alone leads there.
        ({"service": NAMED}, Address(URL)),
        ({"service": NAMED, "ingress": entry(HOST)}, Address(URL, HOST)),
        # Without an annotation an ALB is internal, and has a name that says so.
        ({"service": NAMED, "ingress": entry(f"internal-{HOST}")}, Address("", internal=True)),
        (
            {
                "service": NAMED,
                "ingress": entry(HOST, {"alb.ingress.kubernetes.io/scheme": "internal"}),
            },
            Address("", internal=True),
        ),
    ],
)
def test_where_it_answers(
    objects: dict[str, Any], address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "get", lambda _cluster, kind, *_: objects.get(kind))
    assert service.address(CLUSTER, "shop-staging", "shop") == address
