"""Argo CD's manifests, built by kustomize as Argo CD builds them."""

import functools
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from offline import programs
from pipeline.argocd import admitted, application, git_server, install
from pipeline.commands import push
from pipeline.core import cache, process
from pipeline.core.paths import CHART, ROOT
from pipeline.git import repository as git
from pipeline.images import app as appimage
from pipeline.images.catalogue import catalogue
from pipeline.kubernetes import helm
from pipeline.kubernetes.programs import program
from pipeline.releases import environments, history, written
from pipeline.releases import project as projects
from pipeline.releases.project import project
from tests.infra.helm.conftest import Render

MANIFESTS = ROOT / "argocd"
OVERLAYS = ("full", "ha", "local")

NAME = project().name
PREVIEWS = "argocd/apps/base/previews.yaml"
#: Staging's values, whatever database its application has.
STAGING = (
    *("--values", str(ROOT / "environments" / "staging.yaml")),
    *("--set", "database.engine=postgresql"),
)


def build(folder: Path) -> list[dict[str, Any]]:
    """The resources of a kustomization, built once."""
    return helm.objects(_built(folder))


@functools.cache
def _built(folder: Path) -> str:
    return process.capture([program("kubectl"), "kustomize", folder])


def one(resources: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The resource of that kind and name."""
    return next(
        each for each in resources if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_repository_is_named_once(overlay: str) -> None:
    resources = build(MANIFESTS / "apps" / overlay)
    wanted = YAML(typ="safe").load(
        (MANIFESTS / "apps" / "base" / "repository.yaml").read_text(encoding="utf-8")
    )
    text = str(resources)
    assert "set by kustomization.yaml" not in text
    assert set(re.findall(r"https://github\.com/[^'\"]+\.git", text)) == {wanted["data"]["url"]}
    for name in ("root.yaml", "platform.yaml"):
        assert wanted["data"]["url"] in (MANIFESTS / "bootstrap" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_environments_are_the_released_value_files_of_the_chart(overlay: str) -> None:
    spec = one(build(MANIFESTS / "apps" / overlay), "ApplicationSet", "environments")["spec"]
    assert spec["generators"][0]["git"]["files"] == [{"path": "environments/*.yaml"}]
    rule = spec["generators"][0]["selector"]["matchExpressions"][0]
    assert (rule["key"], rule["operator"]) == ("image.digest", "NotIn")
    source = spec["template"]["spec"]["source"]
    assert ROOT / source["path"] == CHART
    assert source["helm"]["valueFiles"] == ["/environments/{{ .name }}.yaml"]
    assert 'prune: {{ ne .name "production" }}, selfHeal: true' in spec["templatePatch"]
    # A promoted revision's chart, with the values of the newest file.
    conditions = " ".join(f'"{name}"' for name in history.CONDITIONS)
    promoted = (
        '{{- with get . "revision" }}source:targetRevision: "{{ . }}"'
        "helm:valueFiles: []# A text: an object in a patch would lose each null."
        f'values: {{{{ omit $ "path" {conditions} | toJson | toJson }}}}'
    )
    assert promoted in "".join(line.strip() for line in spec["templatePatch"].splitlines())
    labels = spec["template"]["spec"]["syncPolicy"]["managedNamespaceMetadata"]["labels"]
    for controller in ("elbv2.k8s.aws", "eks.amazonaws.com"):
        assert labels[f"{controller}/pod-readiness-gate-inject"] == "enabled"


def test_the_project_allows_what_the_chart_makes_and_no_more(render: Render) -> None:
    project = one(build(MANIFESTS / "apps" / "full"), "AppProject", NAME)["spec"]
    allowed = {(each["group"], each["kind"]) for each in project["namespaceResourceWhitelist"]}
    everything = {
        "autoscaling": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "ingress": {"enabled": True},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
        "serviceMonitor": {"enabled": True},
    }
    sqlite = {"replicaCount": 1, "database": {"engine": "sqlite"}}
    rotated = {
        "secretKey": {"existingSecret": "key"},
        "restartOnRotation": {"enabled": True},
    }
    made = {
        (each["apiVersion"].rpartition("/")[0], each["kind"])
        for values in (everything, sqlite, rotated, {"canary": {"enabled": True}})
        for each in render(values)
        # helm's own tests; Argo CD leaves them out.
        if each["metadata"].get("annotations", {}).get("helm.sh/hook") != "test"
    }
    assert made == allowed
    assert project["clusterResourceWhitelist"] == [
        {"group": "", "kind": "Namespace", "name": f"{NAME}-*"}
    ]
    assert project["destinations"] == [
        {"server": "https://kubernetes.default.svc", "namespace": f"{NAME}-*"}
    ]
    assert application.namespace("staging").startswith(f"{NAME}-")


def access(admission: str) -> list[dict[str, Any]]:
    """What argocd/access makes for staging."""
    values = {"application": NAME, "environment": "staging", "admission": admission}
    return helm.template(values=values, chart=MANIFESTS / "access")


def test_an_environments_rights_and_admitted_images_are_what_their_project_allows() -> None:
    resources = build(MANIFESTS / "apps" / "full")
    project = one(resources, "AppProject", "access")["spec"]
    cluster_wide = {each["kind"] for each in project["clusterResourceWhitelist"]}
    assert {each["name"] for each in project["clusterResourceWhitelist"]} == {f"{NAME}-*"}
    made = access('{"enabled": true, "others": ["one:1"]}')
    assert {each["kind"] for each in made} == cluster_wide | {
        each["kind"] for each in project["namespaceResourceWhitelist"]
    }
    assert all(
        each["metadata"]["name"].startswith(f"{NAME}-")
        for each in made
        if each["kind"] in cluster_wide
    )
    # The list is there before it counts.
    assert {each["kind"] for each in access("{}")} == {each["kind"] for each in made} - cluster_wide
    template = one(resources, "ApplicationSet", "access")["spec"]["template"]["spec"]
    given = template["source"]["helm"]["valuesObject"]["admission"]
    assert given == '{{ get . "admission" | default dict | toJson }}'


def test_a_rollout_is_read_and_held_to_the_admitted_images_like_a_deployment() -> None:
    made = access('{"enabled": true}')
    [role] = [
        each for each in made if each["kind"] == "Role" and each["metadata"]["name"] == "delivery"
    ]
    may = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    wanted = {
        ("apps", "deployments", "get"),
        ("argoproj.io", "rollouts", "get"),
        ("argoproj.io", "analysisruns", "list"),
    }
    assert {each for each in may if each[0] in ("apps", "argoproj.io")} == wanted
    [policy] = [each for each in made if each["kind"] == "ValidatingAdmissionPolicy"]
    held = {
        (group, resource)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert {("apps", "deployments"), ("argoproj.io", "rollouts"), ("batch", "jobs")} <= held


def test_the_admitted_images_are_in_one_list_that_the_account_may_write() -> None:
    made = access('{"enabled": true, "others": ["one:1"]}')
    listed = one(made, "ConfigMap", "admitted-staging")
    assert listed["data"] == {"other-0": "one:1"}
    assert not any(map(admitted.OURS.fullmatch, listed["data"]))
    where = {"name": "admitted-staging", "namespace": application.NAMESPACE}
    assert {key: listed["metadata"][key] for key in where} == where
    [binding] = [each for each in made if each["kind"] == "ValidatingAdmissionPolicyBinding"]
    parameters = binding["spec"]["paramRef"]
    assert parameters == {**where, "parameterNotFoundAction": "Deny"}
    assert binding["spec"]["validationActions"] == ["Deny"]
    [rule] = one(made, "Role", "admitted-staging")["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["admitted-staging"], ["get", "patch"])


def test_production_is_left_alone_over_the_weekend_except_on_the_one_machine() -> None:
    """Argo CD holds what the tasks refuse: a commit in the freeze would move Kubernetes alone."""
    windows = one(build(MANIFESTS / "apps" / "full"), "AppProject", NAME)["spec"]["syncWindows"]
    rules = {"kind": "deny", "applications": [f"{NAME}-production"], "manualSync": True}
    freeze = environments.load("production").raw["promotion"]["freeze"]
    assert windows == [window | rules for window in freeze]
    assert "syncWindows" not in one(build(MANIFESTS / "apps" / "local"), "AppProject", NAME)["spec"]


def test_a_preview_has_its_own_namespace_and_database_and_goes_with_its_pull_request() -> None:
    spec = one(build(MANIFESTS / "apps" / "full"), "ApplicationSet", "previews")["spec"]
    template = spec["template"]
    assert template["spec"]["destination"]["namespace"] == NAME + "-preview-{{ .number }}"
    assert template["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    values = template["spec"]["source"]["helm"]["valuesObject"]
    assert values["database"] == {
        "existingSecret": "",
        "bundled": {"enabled": True, "keepVolume": False},
    }
    assert spec["generators"][0]["pullRequest"]["github"]["labels"] == ["preview"]


def test_a_preview_takes_its_namespace_along() -> None:
    spec = one(build(MANIFESTS / "apps" / "full"), "ApplicationSet", "previews")["spec"]
    application = spec["template"]
    name, namespace = (
        application["metadata"]["name"],
        application["spec"]["destination"]["namespace"],
    )
    metadata = application["spec"]["syncPolicy"]["managedNamespaceMetadata"]
    assert metadata["annotations"] == {
        "argocd.argoproj.io/tracking-id": f"{name}:/Namespace:/{namespace}"
    }


def test_previews_are_kept_out_of_the_namespaces_of_environments(render: Render) -> None:
    resources = build(MANIFESTS / "apps" / "full")
    template = one(resources, "ApplicationSet", "previews")["spec"]["template"]["spec"]
    project = one(resources, "AppProject", template["project"])["spec"]
    assert project["destinations"] == [
        {"server": "https://kubernetes.default.svc", "namespace": f"{NAME}-preview-*"}
    ]
    assert project["clusterResourceWhitelist"] == [
        {"group": "", "kind": "Namespace", "name": f"{NAME}-preview-*"}
    ]
    values = template["source"]["helm"]["valuesObject"]
    reached = {**values, "ingress": {**values["ingress"], "enabled": True, "host": "a.example.org"}}
    made = {
        (each["apiVersion"].rpartition("/")[0], each["kind"])
        for each in (*render(values, *STAGING), *render(reached, *STAGING))
        if each["metadata"].get("annotations", {}).get("helm.sh/hook") != "test"
    }
    allowed = {(each["group"], each["kind"]) for each in project["namespaceResourceWhitelist"]}
    assert made == allowed
    names = {f"{NAME}-{name}" for name in environments.names()}
    assert not any(name.startswith(f"{NAME}-preview-") for name in names)


def test_a_preview_has_nothing_that_the_namespace_of_staging_alone_has(
    render: Render, tmp_path: Path
) -> None:
    resources = build(MANIFESTS / "apps" / "full")
    template = one(resources, "ApplicationSet", "previews")["spec"]["template"]["spec"]
    project = one(resources, "AppProject", template["project"])["spec"]
    settings = {
        "autoscaling": {"enabled": True},
        "canary": {"enabled": True},
        "restartOnRotation": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
        "secretKey": {"existingSecret": "of-staging"},
        "publicUrl": "https://of-staging.example.com",
        "database": {"sslmode": "verify-full"},
    }
    file = tmp_path / "staging.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")
    made = render(template["source"]["helm"]["valuesObject"], *STAGING, "--values", str(file))
    allowed = {each["kind"] for each in project["namespaceResourceWhitelist"]}
    assert {each["kind"] for each in made} - {"Pod"} <= allowed
    # The bundled database speaks no TLS.
    assert not {"of-staging", "DATABASE_SSLMODE"} & set(re.findall(r"[\w-]+", json.dumps(made)))


def test_of_a_pull_request_a_preview_takes_the_image_alone() -> None:
    """A fork's commit is rendered by nobody: chart and values are those of the revision that environments have."""
    resources = build(MANIFESTS / "apps" / "full")
    previews = one(resources, "ApplicationSet", "previews")["spec"]["template"]["spec"]["source"]
    own = one(resources, "ApplicationSet", "environments")["spec"]["template"]["spec"]["source"]
    place = ("repoURL", "targetRevision", "path")
    assert {key: previews[key] for key in place} == {key: own[key] for key in place}
    image = previews["helm"]["valuesObject"].pop("image")
    assert "head_sha" in image["tag"]
    assert not re.search("head_sha|branch|title|author", json.dumps(previews))


#: Whatever staging's Service has.
PLAIN = {"port": 80, "loadBalancerClass": ""}


@pytest.fixture
def written_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The values of a preview that ./inv format writes for a domain."""

    def values(domain: str) -> dict[str, Any]:
        base = tmp_path / "argocd" / "apps" / "base"
        shutil.copytree(MANIFESTS / "apps" / "base", base)
        changed = replace(project(), previews=replace(project().previews, domain=domain))
        monkeypatch.setattr(written, "ROOT", tmp_path)
        monkeypatch.setattr(written, "LINES", {PREVIEWS: written.LINES[PREVIEWS]})
        monkeypatch.setattr(projects, "load", lambda: changed)
        written.differing(write=True)
        spec = one(build(base), "ApplicationSet", "previews")["spec"]["template"]["spec"]
        return dict(spec["source"]["helm"]["valuesObject"])

    return values


def test_a_preview_has_a_host_of_its_own_where_there_is_a_domain(
    written_with: Callable[..., dict[str, Any]], render: Render
) -> None:
    values = written_with("previews.example.org")
    assert values["ingress"]["host"] == "pr-{{ .number }}.previews.example.org"
    values = json.loads(json.dumps(values).replace("{{ .number }}", "7"))
    values["image"]["tag"] = "0123abc"
    resources = render(values, *STAGING)
    [ingress] = [each for each in resources if each["kind"] == "Ingress"]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["pr-7.previews.example.org"]
    assert ingress["spec"]["tls"] == [{"hosts": ["pr-7.previews.example.org"]}]
    # All previews share one load balancer, and have none of their own beside it.
    group = ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/group.name"]
    assert group == f"{NAME}-previews"
    [service] = [
        each for each in resources if each["metadata"]["name"] == NAME and each["kind"] == "Service"
    ]
    assert service["spec"]["type"] == "ClusterIP"
    assert values["service"] == {"type": "ClusterIP"} | PLAIN


def test_without_a_domain_a_preview_has_no_ingress(
    written_with: Callable[..., dict[str, Any]], render: Render
) -> None:
    values = written_with("")
    assert values["service"] == {"type": "LoadBalancer"} | PLAIN
    values["image"]["tag"] = "0123abc"
    assert not [each for each in render(values, *STAGING) if each["kind"] == "Ingress"]


def test_a_preview_runs_the_image_that_its_workflow_pushes(tmp_path: Path) -> None:
    spec = one(build(MANIFESTS / "apps" / "full"), "ApplicationSet", "previews")["spec"]
    image = spec["template"]["spec"]["source"]["helm"]["valuesObject"]["image"]
    assert image["repository"] == push.preview_repository(environments.load("staging"))
    prefix, expression = image["tag"].split("{{")
    assert expression == " substr 0 12 .head_sha }}"
    (tmp_path / ".dockerignore").write_text("*", encoding="utf-8")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "One")):
        git.run(*arguments, root=tmp_path, env=git.IDENTITY)
    version = appimage.version(tmp_path).version
    assert re.fullmatch(rf"{re.escape(prefix)}[0-9a-f]{{12}}", version)


def test_a_preview_renders_from_the_values_it_gets(render: Render) -> None:
    spec = one(build(MANIFESTS / "apps" / "full"), "ApplicationSet", "previews")["spec"]
    values = spec["template"]["spec"]["source"]["helm"]["valuesObject"]
    values["image"]["tag"] = "0123abc"
    resources = render(values, *STAGING)
    deployment = next(each for each in resources if each["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":0123abc")
    assert any(each["kind"] == "StatefulSet" for each in resources)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_controller_of_canaries_is_installed_once_and_on_one_machine_where_it_is_used(
    overlay: str,
) -> None:
    spec = one(build(MANIFESTS / "apps" / overlay), "ApplicationSet", "rollouts")["spec"]
    [generator] = spec["generators"]
    # A file that is there once: two Applications would both own the controller.
    [file] = generator["git"]["files"]
    selector = generator.get("selector")
    if overlay == "local":
        assert file["path"] == f"environments/{environments.LOCAL_ENVIRONMENT}.yaml"
        assert selector == {
            "matchExpressions": [{"key": "canary.enabled", "operator": "In", "values": ["true"]}]
        }
    else:
        assert ((ROOT / file["path"]).is_file(), selector) == (True, None)
    assert (ROOT / spec["template"]["spec"]["source"]["path"] / "kustomization.yaml").is_file()
    assert spec["syncPolicy"]["preserveResourcesOnDeletion"] is True


@pytest.mark.parametrize("name", ["access", "environments"])
def test_a_file_that_disappears_takes_nothing_of_its_environment_with_it(name: str) -> None:
    """Nor the images that its namespace admits, without which no pod would be made anew, and its account."""
    spec = one(build(MANIFESTS / "apps" / "full"), "ApplicationSet", name)["spec"]
    assert spec["syncPolicy"]["preserveResourcesOnDeletion"] is True


def test_on_one_machine_no_other_environment_has_a_canary() -> None:
    generator = one(build(MANIFESTS / "apps" / "local"), "ApplicationSet", "environments")
    parameters = generator["spec"]["template"]["spec"]["source"]["helm"]["parameters"]
    [switch] = [each["value"] for each in parameters if each["name"] == "canary.enabled"]
    own = f'eq .name "{environments.LOCAL_ENVIRONMENT}"'
    asked = '(get (get . "canary" | default dict) "enabled" | default false)'
    assert switch == f"{{{{ and ({own}) {asked} }}}}"
    previews = one(build(MANIFESTS / "apps" / "full"), "ApplicationSet", "previews")["spec"]
    values = previews["template"]["spec"]["source"]["helm"]["valuesObject"]
    assert values["canary"] == {"enabled": False}


def test_argo_rollouts_is_what_its_release_installs_beside_argo_cd(tmp_path: Path) -> None:
    read = [Path(__file__), *sorted((MANIFESTS / "install" / "rollouts").rglob("*.yaml"))]
    content = git.content_key(read, programs.key())
    cache.once("argo-rollouts-install", content, lambda: rollouts_installation(tmp_path))


def rollouts_installation(scratch: Path) -> str:
    """Builds it from the release's own manifests; returns how many resources it has."""
    folder = scratch / "rollouts"
    shutil.copytree(MANIFESTS / "install" / "rollouts", folder)
    text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
    [(product, wanted)] = git_server.UPSTREAM.findall(text)
    manifests = programs.files(git_server.MODULES[product])
    shutil.copyfile(manifests / wanted, folder / git_server.VENDORED)
    (folder / "kustomization.yaml").write_text(
        git_server.UPSTREAM.sub(git_server.VENDORED, text), encoding="utf-8"
    )
    resources = build(folder)
    controller = one(resources, "Deployment", "argo-rollouts")["spec"]["template"]["spec"]
    [container] = controller["containers"]
    assert container["image"] == catalogue()["rollouts"].reference
    assert container["imagePullPolicy"] == "IfNotPresent"
    bindings = [each for each in resources if each["kind"] == "ClusterRoleBinding"]
    assert {subject["namespace"] for each in bindings for subject in each["subjects"]} == {"argocd"}
    assert all(each["metadata"].get("namespace") in ("argocd", None) for each in resources)
    # What the project `platform` lets Argo CD make beside objects of that namespace.
    platform = YAML(typ="safe").load((MANIFESTS / "bootstrap" / "platform.yaml").read_text("utf-8"))
    allowed = {each["kind"] for each in platform["spec"]["clusterResourceWhitelist"]}
    assert {each["kind"] for each in resources if "namespace" not in each["metadata"]} <= allowed
    return f"{len(resources)} resources"


@pytest.mark.parametrize("overlay", ["core", "full", "ha"])
def test_each_installation_is_the_pinned_release(overlay: str, tmp_path: Path) -> None:
    # A release is a megabyte of YAML: looked at once for the same content, like the modules of Terraform.
    read = [Path(__file__), *sorted((MANIFESTS / "install").rglob("*.yaml"))]
    content = git.content_key(read, install.version())
    cache.once(f"argocd-install-{overlay}", content, lambda: installation(overlay, tmp_path))


def installation(overlay: str, scratch: Path) -> str:
    """Builds an installation from the release's own manifests; returns how many resources it has."""
    shutil.copytree(MANIFESTS, scratch / "argocd")
    folder = scratch / "argocd" / "install" / overlay
    text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
    [(_, wanted)] = git_server.UPSTREAM.findall(text)
    assert text.count("https://") == 1
    shutil.copyfile(programs.files("argocd") / wanted, folder / git_server.VENDORED)
    (folder / "kustomization.yaml").write_text(
        git_server.UPSTREAM.sub(git_server.VENDORED, text), encoding="utf-8"
    )
    resources = build(folder)
    images = set(re.findall(r"'(quay\.io/argoproj/argocd:[^']+)'", str(resources)))
    assert images == {f"quay.io/argoproj/argocd:{install.version()}"}
    settings = one(resources, "ConfigMap", "argocd-cmd-params-cm")["data"]
    assert settings["controller.diff.server.side"] == "true"
    assert ("redis.server" in settings) == (overlay == "ha")
    assert "policy.csv" in one(resources, "ConfigMap", "argocd-rbac-cm")["data"]
    assert "resource.exclusions" in one(resources, "ConfigMap", "argocd-cm")["data"]
    if overlay != "core":
        assert (
            "trigger.on-deployed" in one(resources, "ConfigMap", "argocd-notifications-cm")["data"]
        )
    assert all(each["metadata"].get("namespace") in ("argocd", None) for each in resources)
    return f"{len(resources)} resources"
