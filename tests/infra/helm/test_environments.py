"""What Argo CD would render for each environment: it renders at all, and its pods are probed and confined."""

from typing import Any

import pytest

from pipeline.core.errors import CommandFailedError
from pipeline.kubernetes import helm
from pipeline.releases import environments
from tests.infra.helm.conftest import pod_templates

DIGEST = f"sha256:{'a' * 64}"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def rendered(name: str) -> list[dict[str, Any]]:
    environment = environments.load(name)
    try:
        return helm.template("--values", str(environment.file), "--set", f"image.digest={DIGEST}")
    except CommandFailedError as error:
        pytest.fail("\n".join([error.cause, *error.tail]))


def pods(name: str) -> list[dict[str, Any]]:
    found = [template["spec"] for _, template in pod_templates(rendered(name))]
    assert found
    return found


@pytest.mark.parametrize("name", environments.names())
def test_the_application_is_probed_three_ways(name: str) -> None:
    (workload,) = [one for one in rendered(name) if one["kind"] in ("Deployment", "Rollout")]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert not [probe for probe in PROBES if probe not in container]


@pytest.mark.parametrize("name", environments.names())
def test_every_pod_satisfies_the_restricted_standard(name: str) -> None:
    for pod in pods(name):
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = {**pod["securityContext"], **container["securityContext"]}
            assert not context.get("privileged"), "privileged"
            assert context["runAsNonRoot"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"]["drop"] == ["ALL"]
            assert context["seccompProfile"]["type"] == "RuntimeDefault"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {key for key in pod if pod[key]}


@pytest.mark.parametrize("name", environments.names())
def test_every_container_names_a_variable_once(name: str) -> None:
    for pod in pods(name):
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            variables = [variable["name"] for variable in container.get("env", [])]
            assert len(variables) == len(set(variables)), container["name"]


@pytest.mark.parametrize("name", environments.names())
def test_what_runs_beside_the_application_is_admitted(name: str) -> None:
    """Else the API server refuses it, as an image that nobody has verified (argocd/access)."""
    environment = environments.load(name)
    images = {
        container["image"]
        for pod in pods(name)
        for container in [*pod["containers"], *pod.get("initContainers", [])]
    }
    others = images - {f"{environment.repository}@{DIGEST}"}
    assert others <= set(environment.raw.get("admission", {}).get("others", []))


#: HTTPS needs a domain, which an adopter may not have yet.
AT_A_DOMAIN = [
    name
    for name in environments.deployed()
    if environments.load(name).raw["aws"].get("load_balancer", {}).get("domain")
]


@pytest.mark.parametrize("name", AT_A_DOMAIN)
def test_an_environment_at_a_domain_is_reached_by_https_alone(name: str) -> None:
    resources = {resource["kind"]: resource for resource in rendered(name)}
    ingress, settings = resources["Ingress"], resources["ConfigMap"]["data"]
    assert ingress["spec"]["tls"][0]["hosts"] == [ingress["spec"]["rules"][0]["host"]]
    assert ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/ssl-redirect"] == "443"
    assert (settings["COOKIES_ALWAYS_SECURE"], settings["TRUSTED_PROXIES"]) == ("1", "1")
    services = [resource for resource in rendered(name) if resource["kind"] == "Service"]
    assert {service["spec"]["type"] for service in services} == {"ClusterIP"}
