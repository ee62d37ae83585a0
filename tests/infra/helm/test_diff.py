"""What a change makes of the environments on Kubernetes, as the pull request shows it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import diff
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHART, ROOT
from pipeline.kubernetes import rendered
from pipeline.releases import environments
from tests.infra.helm.conftest import PROJECT

TEMPLATES = f"{CHART.relative_to(ROOT)}/templates"
STAGING, PRODUCTION = "environments/staging.yaml", "environments/production.yaml"
DIGEST = f"sha256:{'a' * 64}"


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    argv = ["git", *identity, *arguments]
    return subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def edit(root: Path, name: str, old: str, new: str) -> None:
    file = root / name
    text = file.read_text(encoding="utf-8")
    assert old in text, old
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of an application whose staging and production run one image, in one commit."""
    root = tmp_path / "tree"
    for name in ("argocd", str(CHART.relative_to(ROOT))):
        shutil.copytree(ROOT / name, root / name)
    (root / CHART.relative_to(ROOT) / "files" / "project.yaml").write_text(
        PROJECT, encoding="utf-8"
    )
    (root / "environments").mkdir()
    for name in ("staging", "production"):
        text = (
            f"name: {name}\nimage:\n  repository: registry.example.com/shop\n  digest: {DIGEST}\n"
            "revision: null\nreplicaCount: 2\n"
            "database: {engine: postgresql, existingSecret: database, bundled: {enabled: false}}\n"
            "networkPolicy: {enabled: false}\n"
        )
        (root / "environments" / f"{name}.yaml").write_text(text, encoding="utf-8")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "Start")
    monkeypatch.setattr(environments, "ENVIRONMENTS", root / "environments")
    return root


def titles(root: Path) -> tuple[set[str], str]:
    """The objects that a report names, and the whole of it."""
    text = diff.run("HEAD", root=root).markdown
    marks = "<details><summary>", "</summary>"
    lines = [line for line in text.splitlines() if line.startswith(marks[0])]
    return {line.removeprefix(marks[0]).removesuffix(marks[1]) for line in lines}, text


SHOP = CHART.name
#: A Job's name is made of its content, in which the image and the number of replicas stand.
MIGRATION = [f"staging: Job …-migrate-… {what} (hook: PreSync)" for what in ("added", "removed")]


@pytest.mark.parametrize(
    ("change", "objects", "line"),
    [
        (
            (STAGING, "replicaCount: 2", "replicaCount: 3"),
            {f"staging: Deployment {SHOP} changed", *MIGRATION},
            "+  replicas: 3",
        ),
        (
            (STAGING, DIGEST, f"sha256:{'b' * 64}"),
            {
                f"staging: Deployment {SHOP} changed",
                f"staging: Job {SHOP}-secrets changed (hook: PreSync)",
                *MIGRATION,
            },
            f"+        image: registry.example.com/shop@sha256:{'b' * 64}",
        ),
        (
            (PRODUCTION, "networkPolicy: {enabled: false}", "networkPolicy: {enabled: true}"),
            {f"production: NetworkPolicy {SHOP} added"},
            "+kind: NetworkPolicy",
        ),
        (
            (STAGING, "networkPolicy: {enabled: false}", "autoscaling: {enabled: true}"),
            {
                f"staging: Deployment {SHOP} changed",
                f"staging: HorizontalPodAutoscaler {SHOP} added",
                *MIGRATION,
            },
            "-  replicas: 2",
        ),
        (
            (STAGING, "networkPolicy: {enabled: false}", "service: {type: ClusterIP}"),
            {f"staging: Service {SHOP} changed"},
            "+  type: ClusterIP",
        ),
        (
            (f"{TEMPLATES}/service.yaml", "metadata:", "metadata:\n  annotations: {a: b}"),
            {f"{name}: Service {SHOP} changed" for name in ("staging", "production")},
            "+    a: b",
        ),
        (
            (f"{TEMPLATES}/poddisruptionbudget.yaml", "kind: PodDisruptionBudget", "kind: Budget"),
            {
                f"{name}: {change}"
                for name in ("staging", "production")
                for change in (f"PodDisruptionBudget {SHOP} removed", f"Budget {SHOP} added")
            },
            "-kind: PodDisruptionBudget",
        ),
        (
            (
                "argocd/apps/base/project.yaml",
                "{group: apps, kind: StatefulSet}",
                "{group: apps, kind: DaemonSet}",
            ),
            {f"Argo CD: AppProject {SHOP} changed"},
            "+    kind: DaemonSet",
        ),
        (
            ("argocd/apps/base/environments.yaml", "limit: 3", "limit: 4"),
            {"Argo CD: ApplicationSet environments changed"},
            "+          limit: 4",
        ),
        ((STAGING, "revision: null", "# a remark\nrevision: null"), set(), "| staging | none |"),
    ],
)
def test_a_change_is_shown_where_it_lands_and_nowhere_else(
    tree: Path, change: tuple[str, str, str], objects: set[str], line: str
) -> None:
    edit(tree, *change)
    found, text = titles(tree)
    assert {rendered_name(each) for each in found} == objects
    assert line in text.splitlines()


def test_who_may_do_what_and_which_images_may_run_are_shown(tree: Path) -> None:
    edit(tree, PRODUCTION, "revision: null", "revision: null\nadmission: {enabled: true}")
    policy = f"{SHOP}-production-images"
    assert titles(tree)[0] == {
        f"production: ValidatingAdmissionPolicy{what} {policy} added" for what in ("", "Binding")
    }
    git(tree, "commit", "-q", "-am", "Protect")
    edit(tree, PRODUCTION, "{enabled: true}", "{enabled: true, others: [registry.example.com/x:1]}")
    found, text = titles(tree)
    assert found == {"production: ConfigMap admitted-production changed"}
    assert "+  other-0: registry.example.com/x:1" in text
    edit(tree, "argocd/access/templates/access.yaml", "verbs: [get, patch]", 'verbs: ["*"]')
    assert "staging: Role delivery-staging changed" in titles(tree)[0]


def test_an_adoption_renames_the_chart(tree: Path) -> None:
    chart = tree / CHART.relative_to(ROOT)
    edit(tree, f"{CHART.relative_to(ROOT)}/Chart.yaml", f"name: {SHOP}", "name: other")
    chart.rename(chart.with_name("other"))
    _, text = titles(tree)
    assert "staging: Deployment other added" in text
    assert f"staging: Deployment {SHOP} removed" in text


def rendered_name(title: str) -> str:
    words = title.split(" ")
    return " ".join("…-migrate-…" if "-migrate-" in word else word for word in words)


def test_what_runs_a_promoted_revision_does_not_change_with_the_chart(tree: Path) -> None:
    edit(tree, PRODUCTION, "revision: null", f"revision: {git(tree, 'rev-parse', 'HEAD')}")
    git(tree, "commit", "-q", "-am", "Promote")
    edit(tree, f"{TEMPLATES}/service.yaml", "metadata:", "metadata:\n  annotations: {a: b}")
    assert titles(tree)[0] == {f"staging: Service {SHOP} changed"}


def test_values_that_the_promoted_chart_refuses_are_refused_before_the_merge(tree: Path) -> None:
    edit(tree, PRODUCTION, "revision: null", f"revision: {git(tree, 'rev-parse', 'HEAD')}")
    git(tree, "commit", "-q", "-am", "Promote")
    schema = f"{CHART.relative_to(ROOT)}/values.schema.json"
    edit(tree, schema, '"replicaCount": {', '"anew": {}, "replicaCount": {')
    for name in (STAGING, PRODUCTION):
        edit(tree, name, "networkPolicy", "anew: 1\nnetworkPolicy")
    with pytest.raises(PipelineError, match=r"production cannot be rendered: .*anew"):
        diff.run("HEAD", root=tree)


def test_a_new_environment_is_all_new_and_one_that_goes_is_gone(tree: Path) -> None:
    text = (tree / STAGING).read_text(encoding="utf-8")
    (tree / "environments" / "qa.yaml").write_text(text.replace("staging", "qa"), encoding="utf-8")
    found, _ = titles(tree)
    assert found
    assert all(each.startswith("qa: ") and " added" in each for each in found)


def test_a_base_that_cannot_be_rendered_hides_nothing(tree: Path) -> None:
    edit(tree, f"{TEMPLATES}/service.yaml", "kind: Service", "kind: {{ .Broken")
    git(tree, "commit", "-q", "-am", "Break")
    edit(tree, f"{TEMPLATES}/service.yaml", "kind: {{ .Broken", "kind: Service")
    assert f"staging: Deployment {SHOP} added" in titles(tree)[1]


@pytest.mark.parametrize("text", ["name: [", "name: staging\n", "- a list\n"])
def test_a_broken_file_can_be_mended(tree: Path, text: str) -> None:
    good = (tree / STAGING).read_text(encoding="utf-8")
    (tree / STAGING).write_text(text, encoding="utf-8")
    git(tree, "commit", "-q", "-am", "Break [/it]")
    (tree / STAGING).write_text(good, encoding="utf-8")
    assert f"staging: Deployment {SHOP} " in titles(tree)[1]


def test_a_template_that_cannot_be_rendered_fails(tree: Path) -> None:
    edit(tree, f"{TEMPLATES}/service.yaml", "kind: Service", "kind: {{ .Broken")
    with pytest.raises(PipelineError, match=r"cannot be rendered: .*service\.yaml"):
        diff.run("HEAD", root=tree)


def secret(**values: str) -> rendered.Objects:
    metadata = {"name": "key"}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": values}
    return {("Secret", "", "key"): made}


@pytest.mark.parametrize("before", [secret(kept="c2FtZQ==", new="b2xk"), {}])
def test_no_value_of_a_secret_is_shown(before: rendered.Objects) -> None:
    after = secret(kept="c2FtZQ==", new="bmV3", more="bW9yZQ==")
    [change] = rendered.differences(before, after)
    text = "\n".join(change.lines)
    assert "+  more: hidden, after" in text
    assert not [value for value in ("c2FtZQ==", "b2xk", "bmV3", "bW9yZQ==") if value in text]


def test_what_is_too_long_for_a_comment_is_named() -> None:
    change: Callable[[int], rendered.Change] = lambda number: rendered.Change(  # noqa: E731
        "ConfigMap", f"<b>{number}</b>", "changed", "", [f"+{'x' * 99}"] * 50
    )
    text = diff.report({"staging": [change(number) for number in range(30)]}, "HEAD^1")
    assert text.startswith("### Kubernetes: 30 objects changed against HEAD^1\n")
    assert diff.report({"qa": []}, "main").startswith("### Kubernetes: no objects changed")
    assert len(text) < diff.REPORT_LENGTH + 5_000
    assert "<b>" not in text.replace("\\", "")
    assert text.count("in the job's log") > 20
