"""An environment file that could deploy something wrong is refused, with the file and the reason named."""

from pathlib import Path

import pytest

from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.terraform import roots

DIGEST = "sha256:" + "a" * 64
GOOD = f"""\
name: demo  # kept
image:
  repository: registry.example/app
  digest: {DIGEST}
replicaCount: 2
database:
  engine: postgresql
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "demo.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_is_read(tmp_path: Path) -> None:
    environment = environments.read(write(tmp_path, GOOD))
    assert str(environment.image) == f"registry.example/app@{DIGEST}"
    assert environment.replicas == 2


def test_bootstrap_makes_a_role_for_each_environment_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, account in (("local", 1), ("staging", 1), ("qa", 1), ("elsewhere", 2)):
        text = GOOD.replace("demo", name) + f"aws: {{account_id: '{account:012}'}}\n"
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    root = roots.bootstrap_root(environments.load("staging"), {})
    assert root.variables["github_environments"] == '["qa", "staging"]'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (DIGEST, "sha256:abc", "not an image digest"),
        (f"digest: {DIGEST}", "tag: latest", "name the image by digest"),
        ("replicaCount: 2", "replicaCount: 0", "at least 1"),
        ("replicaCount: 2", "replicaCount: true", "at least 1"),
        ("replicaCount: 2", "", "replicaCount' is missing"),
        ("postgresql", "sqlite", "2 replicas on sqlite"),
        ("postgresql", "oracle", "sqlite or postgresql"),
        ("name: demo", "name: other", "it must be 'demo'"),
        ("name: demo", "name: [", "not valid YAML"),
        (GOOD, "- a list\n", "not a mapping"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        environments.read(write(tmp_path, GOOD.replace(old, new)))


def test_an_unreleased_environment_has_no_image(tmp_path: Path) -> None:
    environment = environments.read(write(tmp_path, GOOD.replace(DIGEST, "null")))
    with pytest.raises(PipelineError, match="no image digest yet"):
        _ = environment.image


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(PipelineError) as caught:
        environments.load("prod")
    assert "production" in caught.value.next_step


def test_resolving_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "LOCAL", tmp_path / "local")
    file = write(tmp_path, GOOD)
    other = "sha256:" + "b" * 64
    resolved = environments.resolve(environments.read(file), other)
    assert resolved.digest == other
    assert resolved.file != file
    assert file.read_text(encoding="utf-8") == GOOD
    assert "# kept" in resolved.file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", environments.names())
def test_the_committed_files_are_good(name: str) -> None:
    assert environments.load(name).name == name
