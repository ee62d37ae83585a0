"""What checkov looks at: all that is deployed, and one planted violation of each kind is a finding."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.core.paths import ROOT
from pipeline.scanners import checkov, findings

POD = """
apiVersion: v1
kind: Pod
metadata: {name: planted}
spec:
  containers: [{name: planted, image: planted, securityContext: {privileged: true}}]
"""
#: For each kind of file one that breaks a rule, and the rule.
PLANTED = {
    "terraform": (
        "infra/terraform/main.tf",
        'resource "aws_s3_bucket" "planted" {\n  bucket = "planted"\n}\n'
        'resource "aws_s3_bucket_acl" "planted" {\n'
        '  bucket = aws_s3_bucket.planted.id\n  acl    = "public-read"\n}\n',
        "CKV_AWS_20",
    ),
    "dockerfile": ("Dockerfile", "FROM scratch\nCOPY x /\n", "CKV_DOCKER_3"),
    "github_actions": (
        ".github/workflows/planted.yml",
        "on: push\npermissions: write-all\njobs: {x: {runs-on: x, steps: [{run: x}]}}\n",
        "CKV2_GHA_1",
    ),
    "kubernetes": ("argocd/planted.yaml", POD, "CKV_K8S_16"),
    "helm": ("infra/helm/planted/templates/pod.yaml", POD, "CKV_K8S_16"),
}
CHART = "apiVersion: v2\nname: planted\nversion: 1.0.0\n"


@pytest.mark.parametrize("place", ["checkout", ".local/pipeline/jobs/tests/checkout"])
def test_it_is_what_git_would_take_wherever_the_checkout_lies(tmp_path: Path, place: str) -> None:
    root = tmp_path / place
    for name in ("infra/main.tf", "tests/wrong.tf", ".local/kept.tf", "chart/tests/pod.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n", encoding="utf-8")
    (root / ".gitignore").write_text(".local/\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)

    shown = {str(file.relative_to(root)) for file in checkov.sources(root)}
    assert shown == {".gitignore", "infra/main.tf", "chart/tests/pod.yaml"}


@pytest.mark.parametrize("kind", PLANTED)
def test_an_edit_of_what_a_policy_is_about_is_scanned_again(tmp_path: Path, kind: str) -> None:
    name, text, _ = PLANTED[kind]
    for file in (name, "app/page.py", "app/templates/page.html", "docs/page.md"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    before = checkov.key(tmp_path)
    for file in ("app/page.py", "app/templates/page.html", "docs/page.md"):
        (tmp_path / file).write_text("y\n", encoding="utf-8")
    assert checkov.key(tmp_path) == before
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert checkov.key(tmp_path) != before


def test_nothing_is_skipped_that_is_not_there_or_that_is_deployed() -> None:
    for skipped in checkov.SKIPPED:
        assert (ROOT / skipped).is_dir()
        assert not skipped.startswith(("app", "infra", "argocd", "environments", ".github"))


def test_one_planted_violation_of_each_kind_is_found(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    files = {path: text for path, text, _ in PLANTED.values()}
    for name, text in {**files, "infra/helm/planted/Chart.yaml": CHART}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / checkov.POLICIES, root / checkov.POLICIES)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    outcomes = {outcome.name: outcome for outcome in checkov.scan(root)}
    assert set(outcomes) == {f"checkov {kind}" for kind in checkov.FRAMEWORKS}
    for kind, (_, _, rule) in PLANTED.items():
        outcome = outcomes[f"checkov {kind}"]
        assert outcome.state == findings.FOUND
        assert rule in {finding.rule for finding in outcome.findings}, kind
