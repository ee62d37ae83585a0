"""How users reach a release on Kubernetes, and what keeps strangers out: TLS, internal Services, changed Secrets."""

import json
import secrets
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from pipeline.core.paths import CHART, ENVIRONMENTS
from pipeline.kubernetes.programs import program
from tests.acceptance.journeys import Browser, create_with
from tests.e2e.kube import DEPLOYMENT, NAME, PODS, OnKubernetes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]

ENVIRONMENT = "edge"
NAMESPACE = f"{NAME}-{ENVIRONMENT}"
WEB = ("-n", NAMESPACE, "exec", DEPLOYMENT, "-c", NAME, "--", "python", "-c")
HOST = "shop.example.org"
KEYS = "signing-keys"
#: What a client can send to be taken for somebody else.
FORGED = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "evil.example.org",
    "Forwarded": "for=127.0.0.1",
}


@dataclass(frozen=True)
class Edge:
    """An environment of its own, installed by helm, behind a load balancer that ends TLS."""

    kubernetes: OnKubernetes
    url: str
    authority: Path

    def install(self, **changed: Any) -> None:
        """Installs or changes the environment: its file, and what the chart makes of it."""
        write_environment(self.kubernetes, changed)
        cluster = self.kubernetes.cluster
        argv = [str(program("helm")), "upgrade", "--install", NAME, str(CHART)]
        argv += ["--namespace", NAMESPACE, "--values", str(environment_file(self.kubernetes))]
        argv += ["--kubeconfig", str(cluster.kubeconfig), "--kube-context", cluster.context]
        done = subprocess.run(
            [*argv, "--wait", "--timeout", "180s"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def browser(self) -> Browser:
        """Somebody who comes by the load balancer."""
        person = Browser(self.url, host=HOST)
        person.client = httpx.Client(
            headers={"Host": HOST},
            verify=ssl.create_default_context(cafile=str(self.authority)),
            event_hooks={"request": [lambda request: request.extensions.update(sni_hostname=HOST)]},
            timeout=15,
        )
        return person

    def verify(self) -> str:
        """What ``./inv verify`` prints last."""
        done = self.kubernetes.checkout.inv(
            *("verify", "--environment", ENVIRONMENT, "--to", "kubernetes"),
            SSL_CERT_FILE=str(self.authority),
        )
        return done.stdout.strip().splitlines()[-1]

    def pods(self) -> set[str]:
        """The application's pods that are not on their way out."""
        pods = self.kubernetes.cluster.items("pods", NAMESPACE, PODS)
        return {
            pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        }


def environment_file(kubernetes: OnKubernetes) -> Path:
    """Where the environment's file lies in the clone."""
    return kubernetes.checkout.folder / "environments" / f"{ENVIRONMENT}.yaml"


def write_environment(kubernetes: OnKubernetes, changed: dict[str, Any]) -> None:
    """Writes that file: the local environment's values with others on top."""
    yaml = YAML(typ="safe")
    values = yaml.load((ENVIRONMENTS / "local.yaml").read_text(encoding="utf-8"))
    repository, _, digest = kubernetes.image().partition("@")
    values |= {"name": ENVIRONMENT, "image": {"repository": repository, "digest": digest}}
    values |= {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}, **changed}
    with environment_file(kubernetes).open("w", encoding="utf-8") as file:
        yaml.dump(values, file)


def create(kubernetes: OnKubernetes, *arguments: str) -> None:
    """Creates an object in the environment's namespace."""
    kubernetes.kubectl("-n", NAMESPACE, "create", *arguments)


def address(kubernetes: OnKubernetes) -> str:
    """The address of the load balancer; empty while it has none."""
    service = kubernetes.cluster.get("service", "edge", NAMESPACE) or {}
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


@pytest.fixture(scope="module")
def edge(kubernetes: OnKubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The environment, behind an Ingress whose controller is the load balancer above; removed afterwards."""
    folder = Path(tmp_path_factory.mktemp("edge"))
    certificate, key = folder / "tls.crt", folder / "tls.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    argv += ["-nodes", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    argv += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    kubernetes.kubectl("create", "namespace", NAMESPACE)
    kubernetes.kubectl("label", "ns", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    create(kubernetes, "secret", "tls", "tls", f"--cert={certificate}", f"--key={key}")
    create(kubernetes, "configmap", "edge", f"--from-file={Path(__file__).with_name('edge.py')}")
    create(
        kubernetes, "secret", "generic", KEYS, f"--from-literal=SECRET_KEY={secrets.token_hex(32)}"
    )
    text = Path(__file__).with_name("edge.yaml").read_text(encoding="utf-8")
    text = text.replace("IMAGE", kubernetes.image()).replace("UPSTREAM", NAME)
    kubernetes.cluster.apply(text, namespace=NAMESPACE)
    eventually(lambda: address(kubernetes) != "", 60, "the load balancer has an address")
    behind = Edge(kubernetes, f"https://{address(kubernetes)}", certificate)
    behind.install(
        service={"type": "ClusterIP"},
        ingress={"enabled": True, "host": HOST, "tls": True, "className": ENVIRONMENT},
        secretKey={"existingSecret": KEYS},
        restartOnRotation={"enabled": True, "schedule": "0 0 1 1 *"},
    )
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address(kubernetes)}]}}}
    kubernetes.kubectl(
        *("-n", NAMESPACE, "patch", "ingress", NAME, "--subresource=status"),
        *("--type=merge", f"--patch={json.dumps(status)}"),
    )
    yield behind
    environment_file(kubernetes).unlink()
    kubernetes.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")


def test_an_ingress_with_tls_is_verified_before_its_name_leads_there(edge: Edge) -> None:
    assert edge.verify() == edge.url


def test_cookies_are_secure_and_links_bear_the_host_that_was_asked(edge: Edge) -> None:
    person = edge.browser()
    event = create_with(person)
    assert all(cookie.secure for cookie in person.client.cookies.jar)
    assert len(person.client.cookies.jar) > 0
    path = event.organiser_url.removeprefix(edge.url)
    page = person.raw(path, **FORGED).text
    assert f"https://{HOST}{event.guest_url.removeprefix(edge.url)}" in page
    assert "evil.example.org" not in page


def test_metrics_are_for_the_pod_alone(edge: Edge) -> None:
    person = edge.browser()
    assert person.raw("/metrics").status_code == httpx.codes.NOT_FOUND
    assert person.raw("/metrics", **FORGED).status_code == httpx.codes.NOT_FOUND
    by_service = httpx.get(f"{edge.kubernetes.url}/metrics", headers=FORGED, timeout=15)
    assert by_service.status_code == httpx.codes.NOT_FOUND
    inside = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:5000/metrics').status)"
    assert edge.kubernetes.kubectl(*WEB, inside).strip() == "200"


def test_a_changed_secret_replaces_the_pods_and_what_the_previous_key_signed_still_counts(
    edge: Edge,
) -> None:
    cluster = edge.kubernetes.cluster
    restart(edge, "first")  # from now on the Deployment bears what its pods were made with
    before = edge.pods()
    assert "the pods have the Secrets' values" in restart(edge, "same")
    assert edge.pods() == before
    person = edge.browser()
    page = person.open("/new")
    present = cluster.get("secret", KEYS, NAMESPACE)
    assert present is not None
    rotated = {
        "data": {"SECRET_KEY_FALLBACKS": present["data"]["SECRET_KEY"]},
        "stringData": {"SECRET_KEY": secrets.token_hex(32)},
    }
    edge.kubernetes.kubectl(
        "-n", NAMESPACE, "patch", "secret", KEYS, f"--patch={json.dumps(rotated)}"
    )
    assert "are replaced" in restart(edge, "changed")
    assert not before & edge.pods()
    assert (
        person.send(page, "/new", {"title": ""}, expect=422).status == 422
    )  # its token is accepted


def restart(edge: Edge, name: str) -> str:
    """Has the CronJob look at once; what it printed, once the rollout that it may have begun is over."""
    kubectl = edge.kubernetes.kubectl
    create(edge.kubernetes, "job", name, f"--from=cronjob/{NAME}-restart")
    kubectl("-n", NAMESPACE, "wait", f"job/{name}", "--for=condition=complete", "--timeout=90s")
    kubectl("-n", NAMESPACE, "rollout", "status", DEPLOYMENT, "--timeout=120s")
    return kubectl("-n", NAMESPACE, "logs", f"job/{name}")


def test_name_servers_of_the_node_are_reached_and_nothing_else_there(edge: Edge) -> None:
    # Nobody listens there: a packet that the policy lets through is refused, another one is dropped.
    edge.kubernetes.on_node("ip", "address", "replace", "169.254.20.10/32", "dev", "lo")
    script = "import socket\nfor port in (53, 443):\n try: socket.create_connection(('169.254.20.10', port), 3)\n"
    script += " except OSError as error: print(type(error).__name__)"
    said = edge.kubernetes.kubectl(*WEB, script).split()
    assert said == ["ConnectionRefusedError", "TimeoutError"]


def test_an_internal_service_is_verified_pod_by_pod(edge: Edge) -> None:
    edge.install(service={"type": "ClusterIP"}, secretKey={"existingSecret": KEYS})
    assert edge.verify().startswith("http://127.0.0.1:")
