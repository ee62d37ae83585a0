"""The chart's resources: what is always so, and what each option changes."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.core import process
from pipeline.core.errors import CommandFailedError
from pipeline.core.paths import CHART, ENVIRONMENTS, ROOT
from pipeline.kubernetes import helm
from pipeline.kubernetes.programs import program
from pipeline.releases import environments
from tests.infra.helm.conftest import (
    DIGEST,
    Render,
    Resources,
    containers,
    find,
    need,
    pod_templates,
)

#: Values that switch everything on that can be on at once.
EVERYTHING: dict[str, Any] = {
    "image": {"digest": DIGEST},
    "autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 80},
    "networkPolicy": {"enabled": True},
    "ingress": {"enabled": True, "host": "shop.example.org", "tlsSecret": "tls"},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
    "serviceMonitor": {"enabled": True},
    "restartOnRotation": {"enabled": True},
}
EXTERNAL = {"database": {"bundled": {"enabled": False}, "existingSecret": "db"}}
SQLITE = {"replicaCount": 1, "database": {"engine": "sqlite"}}
CANARY = EVERYTHING | {"canary": {"enabled": True}}
VARIANTS = [{}, EVERYTHING, EXTERNAL, SQLITE, CANARY]


def refusal(render: Render, values: dict[str, Any], *arguments: str) -> str:
    """What helm says when it refuses the values."""
    with pytest.raises(CommandFailedError) as caught:
        render(values, *arguments)
    return " ".join(caught.value.tail)


@pytest.mark.parametrize("environment", sorted(path.stem for path in ENVIRONMENTS.glob("*.yaml")))
def test_each_environment_file_is_a_value_file(render: Render, environment: str) -> None:
    file = ENVIRONMENTS / f"{environment}.yaml"
    wanted = environments.load(environment)
    resources = render({"image": {"digest": DIGEST}}, "--values", str(file))
    workload = find(resources, "Deployment") or need(resources, "Rollout")
    assert workload["spec"]["replicas"] == wanted.replicas
    image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"{wanted.repository}@{DIGEST}"
    assert need(resources, "ConfigMap")["data"]["ENVIRONMENT"] == environment


@pytest.mark.parametrize("values", [None, *sorted(ENVIRONMENTS.glob("*.yaml"))])
def test_helm_lint_has_no_findings(values: Path | None) -> None:
    more = ["--values", str(values)] if values else []
    process.capture([program("helm"), "lint", "--strict", "--quiet", str(CHART), *more])


def test_every_value_is_described_and_every_described_value_is_in_the_schema() -> None:
    readme = helm.README.read_text(encoding="utf-8")
    described = set(re.findall(r"^\| ([\w.]+) \| \w+ \| `", readme, re.M))
    values = YAML(typ="safe").load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert not {name for name, value in values.items() if not isinstance(value, dict)} - described
    properties = YAML(typ="safe").load((CHART / "values.schema.json").read_text(encoding="utf-8"))[
        "properties"
    ]
    for name in described:
        node: Any = {"properties": properties}
        for part in name.split("."):
            assert part in node.get("properties", {}), f"{name} is not in values.schema.json"
            node = node["properties"][part]


@pytest.mark.parametrize("values", VARIANTS)
def test_selectors_never_hold_the_version_and_select_their_own_pods(
    render: Render, values: dict[str, Any]
) -> None:
    for one in render(values):
        if one["kind"] not in ("Deployment", "StatefulSet", "Rollout"):
            continue
        selector = one["spec"]["selector"]["matchLabels"]
        assert set(selector) == {
            f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")
        }
        assert selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("values", VARIANTS)
def test_a_service_selects_exactly_the_pods_of_its_component(
    render: Render, values: dict[str, Any]
) -> None:
    resources = render(values)
    templates = pod_templates(resources)
    for service in (one for one in resources if one["kind"] == "Service"):
        chosen = [
            name
            for name, template in templates
            if service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ]
        assert len(chosen) == 1, f"{service['metadata']['name']} selects {chosen}"


@pytest.mark.parametrize("values", VARIANTS)
def test_every_resource_has_the_common_labels(render: Render, values: dict[str, Any]) -> None:
    for one in render(values):
        # A server-side apply refuses any other key, and helm renders it without a word.
        assert one["metadata"].keys() <= {"name", "namespace", "labels", "annotations"}
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["helm.sh/chart"] == f"{CHART.name}-0.1.0"
        assert all(
            re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", str(each))
            for each in labels.values()
        )


@pytest.mark.parametrize("name", ["a", CHART.name, "x" * 53])
@pytest.mark.parametrize("values", VARIANTS)
def test_names_are_dns_labels_of_at_most_63_characters_and_unique(
    render: Render, values: dict[str, Any], name: str
) -> None:
    seen = set()
    for one in render(values, release=name):
        own = one["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", own)
        assert (one["kind"], own) not in seen
        seen.add((one["kind"], own))


@pytest.mark.parametrize("values", VARIANTS)
def test_pods_satisfy_the_restricted_standard_with_a_read_only_root(
    render: Render, values: dict[str, Any]
) -> None:
    templates = pod_templates(render(values))
    assert templates
    for owner, template in templates:
        context = template["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, owner
        assert context["seccompProfile"]["type"] == "RuntimeDefault", owner
        for container in containers(template):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, owner
            assert own["readOnlyRootFilesystem"] is True, owner
            assert own["capabilities"] == {"drop": ["ALL"]}, owner
            assert set(container["resources"]) == {"limits", "requests"}, owner


@pytest.mark.parametrize("values", VARIANTS)
def test_only_the_pods_that_ask_for_secrets_have_a_token(
    render: Render, values: dict[str, Any]
) -> None:
    asking = ("-secrets", "-restart")
    for owner, template in pod_templates(render(values)):
        assert template["spec"]["automountServiceAccountToken"] is owner.endswith(asking), owner


def test_two_renderings_are_equal(chart: Path) -> None:
    one, other = (helm.template(values=EVERYTHING, chart=chart) for _ in range(2))
    assert one == other


def test_the_digest_wins_over_the_tag(render: Render) -> None:
    def image(values: dict[str, Any]) -> str:
        return str(
            need(render(values), "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
        )

    assert image({"image": {"repository": "r/app", "tag": "v1"}}) == "r/app:v1"
    assert (
        image({"image": {"repository": "r/app", "tag": "v1", "digest": DIGEST}})
        == f"r/app@{DIGEST}"
    )


def test_the_original_design_still_holds(render: Render) -> None:
    resources = render()
    service = need(resources, "Service", CHART.name)
    assert service["spec"]["type"] == "LoadBalancer"
    assert (service["spec"]["ports"][0]["port"], service["spec"]["ports"][0]["targetPort"]) == (
        80,
        "http",
    )
    deployment = need(resources, "Deployment", CHART.name)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 2
    assert container["name"] == CHART.name
    assert container["ports"][0]["containerPort"] == 5000
    assert container["resources"] == {
        "limits": {"cpu": "500m", "memory": "512Mi"},
        "requests": {"cpu": "250m", "memory": "256Mi"},
    }
    assert (
        need(resources, "ConfigMap")["data"].items()
        >= {"ENVIRONMENT": "production", "PORT": "5000"}.items()
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"database": {"engine": "sqlite"}}, "2 replicas on SQLite"),
        (
            {"replicaCount": 1, "database": {"engine": "sqlite"}, "autoscaling": {"enabled": True}},
            "6 replicas on SQLite",
        ),
        ({"database": {"existingSecret": "db"}}, "Choose one"),
        ({"database": {"bundled": {"enabled": False}}}, "PostgreSQL has no connection"),
        ({"podDisruptionBudget": {"minAvailable": 1}}, "not both"),
        (
            {"podDisruptionBudget": {"minAvailable": 2, "maxUnavailable": None}},
            "no node could ever be drained",
        ),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "no node could ever be drained"),
        (
            {"podDisruptionBudget": {"minAvailable": "100%", "maxUnavailable": None}},
            "no node could ever be drained",
        ),
        ({"shutdown": {"gracePeriodSeconds": 25}}, "must exceed drainSeconds"),
        ({"rollout": {"maxSurge": 0}}, "no pod could ever be replaced"),
        ({"replicaCount": 7, "autoscaling": {"enabled": True}}, "is above autoscaling.maxReplicas"),
        (
            {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}},
            "nothing to scale by",
        ),
        (
            {
                "replicaCount": 1,
                "podDisruptionBudget": {"minAvailable": "50%", "maxUnavailable": None},
            },
            "no node could ever be drained",
        ),
        (
            {"canary": {"enabled": True}, "rollout": {"maxSurge": 0, "maxUnavailable": 1}},
            "old pods would go before",
        ),
        ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs"),
        (SQLITE | {"canary": {"enabled": True}}, "canary.enabled on SQLite"),
        ({"replicaCount": 7}, "7 replicas need 112 database connections"),
        (
            {"replicaCount": 14, "database": {"maxConnections": 225}},
            "14 replicas need 224 database connections",
        ),
    ],
)
def test_contradictions_are_refused_with_the_reason(
    render: Render, values: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(render, values)


@pytest.mark.parametrize(
    "values",
    [
        {"replicaCont": 3},
        {"replicaCount": "3"},
        {"replicaCount": 0},
        {"image": {"digest": "sha256:abc"}},
        {"image": {"tagg": "v1"}},
        {"service": {"type": "loadbalancer"}},
        {"service": {"port": 70000}},
        {"database": {"engine": "mysql"}},
        {"env": [{"name": "A"}]},
        {"env": [{"name": "A", "value": 1}]},
        {"resources": {"limits": {"memory": "lots"}}},
        {"networkPolicy": {"databaseCidrs": ["10.0.0.1"]}},
    ],
)
def test_typos_and_wrong_types_are_refused_by_the_schema(
    render: Render, values: dict[str, Any]
) -> None:
    said = refusal(render, values)
    assert "don't meet the specifications of the schema" in said or "at '" in said


def test_pools_of_staging_and_production_fit(render: Render) -> None:
    for replicas, offered in ((4, 112), (10, 225)):
        values = {"replicaCount": replicas, "database": {"maxConnections": offered}}
        pod = need(render(values), "Deployment")["spec"]["template"]["spec"]
        env = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
        assert replicas * 2 * 2 * int(env["DATABASE_POOL"]) < offered


def test_the_application_listens_where_it_is_probed(render: Render) -> None:
    deployment = need(render({"service": {"targetPort": 8000}}), "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "PORT", "value": "8000"} in container["env"]
    assert container["ports"][0]["containerPort"] == 8000


def test_prometheus_sends_the_token_that_the_application_asks_for(render: Render) -> None:
    values = {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "metrics"}}}
    resources = render(values)
    credentials = {"name": "metrics", "key": "token"}
    endpoint = need(resources, "ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["authorization"]["credentials"] == credentials
    pod = need(resources, "Deployment")["spec"]["template"]["spec"]
    token = next(e for e in pod["containers"][0]["env"] if e["name"] == "METRICS_TOKEN")
    assert token["valueFrom"]["secretKeyRef"] == credentials


def test_autoscaling_takes_the_replicas_out_of_the_deployment(render: Render) -> None:
    resources = render(EVERYTHING)
    assert "replicas" not in need(resources, "Deployment")["spec"]
    scaler = need(resources, "HorizontalPodAutoscaler")["spec"]
    assert [one["resource"]["name"] for one in scaler["metrics"]] == ["memory", "cpu"]
    annotations = need(resources, "HorizontalPodAutoscaler")["metadata"]["annotations"]
    assert annotations == {"argocd.argoproj.io/ignore-healthcheck": "true"}
    # Fewer than a release is verified by, and the first one after a quiet night would be taken back.
    assert scaler["minReplicas"] == 2
    assert (
        need(render(EVERYTHING | {"replicaCount": 3}), "HorizontalPodAutoscaler")["spec"][
            "minReplicas"
        ]
        == 3
    )
    assert find(render(), "HorizontalPodAutoscaler") is None


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("networkPolicy", "NetworkPolicy"),
        ("ingress", "Ingress"),
        ("httpRoute", "HTTPRoute"),
        ("serviceMonitor", "ServiceMonitor"),
        ("podDisruptionBudget", "PodDisruptionBudget"),
    ],
)
def test_an_option_adds_its_resource_and_nothing_without_it(
    render: Render, option: str, kind: str
) -> None:
    on = {option: {"enabled": True}}
    if option == "httpRoute":
        on[option]["parentRefs"] = [{"name": "gateway"}]  # type: ignore[assignment]
    assert find(render(on), kind) is not None
    assert find(render({option: {"enabled": False}}), kind) is None


def test_a_disruption_budget_has_one_limit(render: Render) -> None:
    assert need(render(), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    changed = {"podDisruptionBudget": {"minAvailable": "50%", "maxUnavailable": None}}
    spec = need(render(changed), "PodDisruptionBudget")["spec"]
    assert spec["minAvailable"] == "50%"
    assert "maxUnavailable" not in spec


def test_a_change_of_configuration_changes_the_pods(render: Render) -> None:
    def checksum(values: dict[str, Any]) -> str:
        template = need(render(values), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    more = {
        "env": [
            {"name": "ENVIRONMENT", "value": "production"},
            {"name": "GREETING", "value": "hello"},
        ]
    }
    assert checksum({}) != checksum(more)
    assert checksum({}) == checksum({"replicaCount": 3})


def test_secrets_come_by_reference_alone(render: Render) -> None:
    resources = render(
        {
            "env": [
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "token"}}}
            ]
        }
    )
    assert find(resources, "Secret") is None
    environment = need(resources, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    by_name = {one["name"]: one for one in environment}
    assert by_name["TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "mine", "key": "token"}
    for name in ("SECRET_KEY", "DATABASE_PASSWORD"):
        assert "value" not in by_name[name]


def test_an_own_secret_key_needs_no_made_one(render: Render) -> None:
    resources = render({"secretKey": {"existingSecret": "mine", "key": "session"}} | EXTERNAL)
    assert [one["metadata"]["name"] for one in resources if one["kind"] == "Role"] == []
    environment = need(resources, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert environment[0]["valueFrom"]["secretKeyRef"] == {"name": "mine", "key": "session"}


def test_an_external_database_is_read_from_its_secret_key_by_key(render: Render) -> None:
    values = {
        "database": EXTERNAL["database"] | {"host": "db.example.org", "sslmode": "verify-full"}
    }
    resources = render(values)
    assert find(resources, "StatefulSet") is None
    environment = {
        one["name"]: one
        for one in need(resources, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert environment["DATABASE_HOST"]["value"] == "db.example.org"
    assert environment["DATABASE_SSLMODE"]["value"] == "verify-full"
    assert environment["DATABASE_USER"]["valueFrom"]["secretKeyRef"] == {
        "name": "db",
        "key": "username",
    }
    whole = {"database": EXTERNAL["database"] | {"secretKeys": {"url": "uri"}}}
    environment = {
        one["name"]: one
        for one in need(render(whole), "Deployment")["spec"]["template"]["spec"]["containers"][0][
            "env"
        ]
    }
    assert environment["DATABASE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "db", "key": "uri"}
    assert "DATABASE_HOST" not in environment


def test_sqlite_is_one_pod_with_a_volume_that_is_kept(render: Render) -> None:
    resources = render(SQLITE)
    assert need(resources, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    claim = need(resources, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert find(resources, "Job", "migrate") is None
    pod = need(resources, "Deployment")["spec"]["template"]["spec"]
    claimed = {"claimName": claim["metadata"]["name"]}
    (volume,) = (each for each in pod["volumes"] if each.get("persistentVolumeClaim") == claimed)
    mount = {"name": volume["name"], "mountPath": "/data"}
    # The file is migrated where it lies.
    for container in (pod["initContainers"][0], pod["containers"][0]):
        assert mount in container["volumeMounts"]


def test_an_application_without_a_database_gets_none(render: Render) -> None:
    resources = render({"database": {"engine": "none"}, "replicaCount": 3})
    kinds = {resource["kind"] for resource in resources}
    assert kinds.isdisjoint({"StatefulSet", "PersistentVolumeClaim"})
    assert find(resources, "Job", "migrate") is None
    pod = need(resources, "Deployment")["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert not [each for each in pod["containers"][0]["env"] if each["name"].startswith("DATABASE")]


def test_the_application_gets_what_its_project_file_says(render: Render) -> None:
    pod = need(render(), "Deployment")["spec"]["template"]["spec"]
    mounts = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"/tmp", "/data", "/app/instance"}  # noqa: S108 - in the container
    assert pod["initContainers"][0]["args"] == ["python", "-m", "shop.migrate"]
    secret = find(render(), "Job", "secrets")
    assert secret
    (container,) = secret["spec"]["template"]["spec"]["containers"]
    assert container["args"][3:] == [
        "SECRET_KEY",
        "DATABASE_PASSWORD",
        "MAIL_TOKEN",
    ]
    own = need(render({"secretKey": {"existingSecret": "ours"}}), "Deployment")
    (token,) = (
        each
        for each in own["spec"]["template"]["spec"]["containers"][0]["env"]
        if each["name"] == "MAIL_TOKEN"
    )
    assert token["valueFrom"]["secretKeyRef"] == {"name": "ours", "key": "MAIL_TOKEN"}


def migration(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return next(
        one for one in resources if one["kind"] == "Job" and "-migrate-" in one["metadata"]["name"]
    )


def test_an_external_database_is_migrated_before_anything_changes(render: Render) -> None:
    annotations = migration(render(EXTERNAL))["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert annotations["argocd.argoproj.io/hook"] == "PreSync"


def test_the_bundled_database_is_up_before_its_migration_and_that_before_the_pods(
    render: Render,
) -> None:
    resources = render()
    hook = migration(resources)["metadata"]["annotations"]
    assert hook["helm.sh/hook"] == "pre-upgrade"
    assert hook["argocd.argoproj.io/hook"] == "Sync"
    wave = int(
        need(resources, "StatefulSet")["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
    )
    assert wave < int(hook["argocd.argoproj.io/sync-wave"]) < 0
    first = need(resources, "Deployment")["spec"]["template"]["spec"]["initContainers"]
    assert [one["name"] for one in first] == ["migrate"]


def test_a_migration_of_another_version_has_another_name_and_both_tools_delete_it(
    render: Render,
) -> None:
    one = migration(render(EXTERNAL | {"image": {"tag": "v1"}}))
    other = migration(render(EXTERNAL | {"image": {"tag": "v2"}}))
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert one == migration(render(EXTERNAL | {"image": {"tag": "v1"}}))
    annotations = one["metadata"]["annotations"]
    assert "before-hook-creation" in annotations["helm.sh/hook-delete-policy"]
    assert "BeforeHookCreation" in annotations["argocd.argoproj.io/hook-delete-policy"]


SEED = {"name": "preview", "seed": {"enabled": True}}


def seeds(resources: Resources) -> list[dict[str, Any]]:
    """The Jobs that fill the database with made-up data."""
    return [one for one in resources if "-seed-" in one["metadata"]["name"]]


def test_a_preview_is_seeded_once_its_pods_serve(render: Render) -> None:
    [job] = seeds(render(SEED))
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PostSync"
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["flask", "seed"]
    assert {"name": "ENVIRONMENT", "value": "preview"} in container["env"]


def test_what_runs_the_application_is_under_its_policy_and_reaches_the_database(
    render: Render,
) -> None:
    values = {"networkPolicy": {"enabled": True}, "canary": {"enabled": True}}
    resources = render({**SEED, **values})
    [own] = need(resources, "NetworkPolicy", CHART.name)["spec"]["podSelector"]["matchExpressions"]
    [rule] = need(resources, "NetworkPolicy", "-database")["spec"]["ingress"]
    seen = set()
    for name, template in pod_templates(resources):
        [container, *_] = template["spec"]["containers"]
        if any(each["name"] == "SECRET_KEY" for each in container.get("env", [])):
            labels = template["metadata"]["labels"]
            seen.add(labels[own["key"]])
            peers = [each["podSelector"]["matchLabels"].items() for each in rule["from"]]
            assert any(each <= labels.items() for each in peers), name
    assert seen == set(own["values"]) == {"web", "trial", "migration", "seed"}


@pytest.mark.parametrize(
    "environment", sorted(ENVIRONMENTS.glob("*.yaml")), ids=lambda file: file.stem
)
def test_no_environment_is_filled_with_what_is_made_up(render: Render, environment: Path) -> None:
    values = {"image": {"digest": DIGEST}, "seed": {"enabled": True}}
    assert "for previews alone" in refusal(render, values, "--values", str(environment))
    assert not seeds(render({"image": {"digest": DIGEST}}, "--values", str(environment)))


def test_nothing_is_seeded_unless_asked(render: Render) -> None:
    assert "for previews alone" in refusal(render, {"seed": {"enabled": True}})
    assert not seeds(render({"name": "preview"}))
    assert seeds(render(SEED))


def test_liveness_never_asks_the_database_and_readiness_does(render: Render) -> None:
    container = need(render(), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    paths = {
        name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")
    }
    assert paths == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }


def test_the_times_of_a_stop_are_those_of_the_application(render: Render) -> None:
    resources = render()
    spec = need(resources, "Deployment")["spec"]["template"]["spec"]
    values = YAML(typ="safe").load((CHART / "values.yaml").read_text(encoding="utf-8"))["shutdown"]
    drain = int(need(resources, "ConfigMap")["data"]["DRAIN_SECONDS"])
    for settings in (ROOT / "server" / "gunicorn.conf.py", *ROOT.glob("app/gunicorn.conf.py")):
        text = settings.read_text(encoding="utf-8")
        graceful = re.search(r"^graceful_timeout = (\d+)$", text, re.M)
        assert graceful
        assert values["gracefulSeconds"] == int(graceful[1])
        assert drain + int(graceful[1]) < spec["terminationGracePeriodSeconds"]


def test_proxies_are_trusted_only_where_there_is_one(render: Render) -> None:
    def trusted(values: dict[str, Any]) -> str:
        return str(need(render(values), "ConfigMap")["data"]["TRUSTED_PROXIES"])

    assert trusted({}) == "0"
    assert trusted({"ingress": {"enabled": True}}) == "1"
    assert trusted({"ingress": {"enabled": True}, "trustedProxies": 2}) == "2"


def test_users_come_by_https_where_a_proxy_ends_it(render: Render) -> None:
    hosts = {"host": "shop.example.org", "hostnames": ["shop.example.org"]}
    route = {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": hosts["hostnames"]}
    for values in (
        {"ingress": {"enabled": True, "host": hosts["host"], "tls": True}},
        {"ingress": {"enabled": True, "host": hosts["host"], "tlsSecret": "certificate"}},
        {"httpRoute": route},
        {"publicUrl": "https://shop.example.org"},
    ):
        resources = render(values)
        service = need(resources, "Service", CHART.name)["metadata"]
        assert service["annotations"] == {"delivery/url": "https://shop.example.org"}
        assert need(resources, "ConfigMap")["data"]["COOKIES_ALWAYS_SECURE"] == "1"
    plain = render({"ingress": {"enabled": True, "host": hosts["host"]}})
    annotations = need(plain, "Service", CHART.name)["metadata"]["annotations"]
    assert annotations == {"delivery/url": "http://shop.example.org"}
    assert need(plain, "ConfigMap")["data"]["COOKIES_ALWAYS_SECURE"] == "0"
    assert "annotations" not in need(render(), "Service", CHART.name)["metadata"]


def test_the_controller_finds_a_certificate_where_no_secret_has_it(render: Render) -> None:
    ingress = {"enabled": True, "host": "shop.example.org", "tls": True}
    assert need(render({"ingress": ingress}), "Ingress")["spec"]["tls"] == [
        {"hosts": ["shop.example.org"]}
    ]
    ingress["tlsSecret"] = "certificate"
    assert need(render({"ingress": ingress}), "Ingress")["spec"]["tls"] == [
        {"hosts": ["shop.example.org"], "secretName": "certificate"}
    ]


def test_a_load_balancer_is_made_by_the_class_that_is_named(render: Render) -> None:
    values = {"service": {"loadBalancerClass": "service.k8s.aws/nlb"}}
    service = need(render(values), "Service", CHART.name)["spec"]
    assert service["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert "loadBalancerClass" not in need(render(), "Service", CHART.name)["spec"]


def test_pods_may_ask_the_name_servers_of_their_node(render: Render) -> None:
    values = {"networkPolicy": {"enabled": True, "dnsCidrs": ["172.20.0.10/32"]}}
    rule = need(render(values), "NetworkPolicy")["spec"]["egress"][0]
    assert {"ipBlock": {"cidr": "172.20.0.10/32"}} in rule["to"]
    assert {port["port"] for port in rule["ports"]} == {53}


def test_a_secret_replaces_the_pods_when_it_changes(render: Render) -> None:
    values: dict[str, Any] = {"restartOnRotation": {"enabled": True}}
    generated = f"{CHART.name}-generated"
    assert need(render(values), "Role", "-restart")["rules"][0]["resourceNames"] == [generated]
    values |= EXTERNAL | {"secretKey": {"existingSecret": "keys"}}
    resources = render(values)
    [reads, replaces] = need(resources, "Role", "-restart")["rules"]
    assert (reads["resourceNames"], reads["verbs"]) == (["keys", "db"], ["get"])
    assert (replaces["resourceNames"], replaces["verbs"]) == ([CHART.name], ["get", "patch"])
    job = need(resources, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    # One run of many that fails would be the environment's health.
    notes = need(resources, "CronJob")["metadata"]["annotations"]
    assert notes == {"argocd.argoproj.io/ignore-healthcheck": "true"}
    expected = ["restart", "apps/v1", "deployments", CHART.name, "keys", "db"]
    assert job["containers"][0]["args"][1:] == expected
    values["envFrom"] = [{"secretRef": {"name": "mail"}}, {"configMapRef": {"name": "flags"}}]
    reference = {"secretKeyRef": {"name": "payment", "key": "TOKEN"}}
    values["env"] = [{"name": "PAYMENT", "valueFrom": reference}, {"name": "PLAIN", "value": "1"}]
    [reads, _] = need(render(values), "Role", "-restart")["rules"]
    assert reads["resourceNames"] == ["keys", "db", "payment", "mail"]


@pytest.mark.parametrize(
    ("secret", "values"),
    [
        ("keys", {"secretKey": {"existingSecret": "keys"}}),
        (f"{CHART.name}-generated", {"secretKey": {"previousKey": "of-an-existing-one"}}),
    ],
)
def test_the_previous_signing_key_may_be_missing(
    render: Render, secret: str, values: dict[str, Any]
) -> None:
    pod = need(render(values), "Deployment")["spec"]["template"]["spec"]
    environment = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
    reference = {"name": secret, "key": "SECRET_KEY_FALLBACKS", "optional": True}
    assert environment["SECRET_KEY_FALLBACKS"]["valueFrom"]["secretKeyRef"] == reference


def test_the_script_of_the_jobs_is_python_without_packages() -> None:
    text = (CHART / "files" / "cluster_secrets.py").read_text(encoding="utf-8")
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.M))
    assert imported <= set(sys.stdlib_module_names)


def test_each_pod_runs_where_the_application_may(render: Render) -> None:
    """A Job on another architecture, or none on tainted nodes, would stop each release."""
    values = {
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "priorityClassName": "high",
    }
    for settings in VARIANTS[1:]:
        for name, template in pod_templates(render(settings | values)):
            assert {key: template["spec"].get(key) for key in values} == values, name
