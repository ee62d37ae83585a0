"""The recipes of the cluster: one version of everything, and each image from a registry where one answers."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from offline import programs
from pipeline.argocd import install
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.images.catalogue import catalogue
from pipeline.kubernetes import privileges

MODULE = (programs.MODULE / "go.mod").read_text(encoding="utf-8")


def required(module: str) -> str:
    """The version that go.mod requires."""
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", MODULE, re.M)
    assert found, module
    return found[1]


@pytest.mark.parametrize(
    ("variable", "module"),
    [
        ("github.com/argoproj/argo-cd/v3/common.version", "github.com/argoproj/argo-cd/v3"),
        (
            "github.com/argoproj/argo-rollouts/utils/version.version",
            "github.com/argoproj/argo-rollouts",
        ),
        ("helm.sh/helm/v4/internal/version.version", "helm.sh/helm/v4"),
        ("k8s.io/client-go/pkg/version.gitVersion", "k8s.io/kubernetes"),
        ("k8s.io/component-base/version.gitVersion", "k8s.io/kubernetes"),
        ("sigs.k8s.io/kustomize/api/provenance.version", "sigs.k8s.io/kustomize/kustomize/v5"),
    ],
)
def test_what_a_program_says_of_itself_is_its_module(variable: str, module: str) -> None:
    assert programs.recipe()["variables"][variable] == required(module)


def test_the_manifests_of_argocd_are_of_the_release_that_is_built() -> None:
    assert install.version() == required("github.com/argoproj/argo-cd/v3")


def test_argo_rollouts_is_of_one_release_everywhere() -> None:
    text = (ROOT / "argocd" / "install" / "rollouts" / "kustomization.yaml").read_text("utf-8")
    version = required("github.com/argoproj/argo-rollouts")
    assert set(re.findall(r"v\d+\.\d+\.\d+", text)) == {version}
    assert catalogue()["rollouts"].reference.endswith(f":{version}")


def module_with(folder: Path, line: str) -> Path:
    """A module's folder whose file to patch holds a line; as Go's own, it cannot be written to."""
    [patch] = programs.recipe()["patches"]
    file = folder / "cache" / patch["path"]
    file.parent.mkdir(parents=True)
    file.write_text(f"package validation\n\t{line}\n", encoding="utf-8")
    file.chmod(0o444)
    file.parent.chmod(0o555)
    return folder / "cache"


def test_a_module_is_built_from_a_copy_with_its_patch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [patch] = programs.recipe()["patches"]
    folder = module_with(tmp_path, patch["line"])
    monkeypatch.setattr(programs, "_module", lambda _: folder)
    modules = programs.patched(tmp_path).read_text(encoding="utf-8")
    assert modules.startswith(MODULE)
    copy = Path(modules.removeprefix(MODULE).split(" => ")[1].strip())
    assert patch["with"] in (copy / patch["path"]).read_text(encoding="utf-8")
    assert (tmp_path / "go.sum").is_file()


def test_a_patch_that_does_not_fit_any_more_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = module_with(tmp_path, "fixed upstream")
    monkeypatch.setattr(programs, "_module", lambda _: folder)
    with pytest.raises(PipelineError, match="cannot be patched"):
        programs.patched(tmp_path)


def test_all_parts_of_kubernetes_are_of_one_version() -> None:
    versions = set(
        re.findall(r"^\tk8s\.io/[a-z-]+ => k8s\.io/[a-z-]+ (v0\.[1-9]\d*\.\d+)$", MODULE, re.M)
    )
    assert versions == {required("k8s.io/kubernetes").replace("v1.", "v0.")}


def test_images_have_the_version_of_their_programs() -> None:
    assert catalogue()["argocd"].reference.endswith(f":{install.version()}")
    assert catalogue()["coredns"].reference.endswith(f":{required('github.com/coredns/coredns')}")


def test_the_manifests_of_the_node_use_the_images_that_are_provided() -> None:
    wanted = {image.reference for image in catalogue().values()}
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in [
            *programs.FOLDER.rglob("manifests/*.yaml"),
            ROOT / "pipeline" / "kubernetes" / "external-database.yaml",
        ]
    )
    assert set(re.findall(r"image: (\S+)", text)) <= wanted
    assert catalogue()["pause"].reference in (
        programs.FOLDER / "node" / "config" / "containerd.toml"
    ).read_text(encoding="utf-8")


def test_every_file_of_the_node_is_valid_yaml() -> None:
    for path in programs.FOLDER.rglob("*.yaml"):
        assert list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8"))), path


def test_missing_privileges_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def info(self) -> dict[str, Any]:
            return {"SecurityOptions": ["name=seccomp,profile=default"]}

    monkeypatch.setattr("pipeline.images.docker.client", Client)
    everything = (1 << len(privileges.CAPABILITIES)) - 1
    admin = privileges.CAPABILITIES.index("SYS_ADMIN")
    monkeypatch.setattr(privileges, "_bounding_set", lambda: everything & ~(1 << admin))
    with pytest.raises(PipelineError, match="lacks the capabilities SYS_ADMIN"):
        privileges.granted()
    resource = privileges.CAPABILITIES.index("SYS_RESOURCE")
    monkeypatch.setattr(privileges, "_bounding_set", lambda: everything & ~(1 << resource))
    asked = privileges.granted()
    assert asked is not None
    assert "SYS_RESOURCE" not in asked
    monkeypatch.setattr(privileges, "_bounding_set", lambda: everything)
    assert privileges.granted() is None


def test_a_rootless_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def info(self) -> dict[str, Any]:
            return {"SecurityOptions": ["name=rootless"]}

    monkeypatch.setattr("pipeline.images.docker.client", Client)
    with pytest.raises(PipelineError, match="runs rootless"):
        privileges.granted()


def test_without_go_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offline.programs.shutil.which", lambda _: None)
    monkeypatch.setattr(programs, "built", lambda _: programs.FOLDER / "no-such-program")
    monkeypatch.setattr(programs, "key", lambda: "0" * 16)
    with pytest.raises(PipelineError, match="go was not found on PATH"):
        programs.ensure(["pause"])
