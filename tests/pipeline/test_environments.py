"""An environment file that could deploy something wrong is refused, with the file and the reason named."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from pipeline.aws import account
from pipeline.commands import plan
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.terraform import roots
from pipeline.terraform import run as terraform
from pipeline.terraform.roots import Root

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
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
    for name, number in (("local", 1), ("staging", 1), ("qa", 1), ("elsewhere", 2)):
        text = GOOD.replace("demo", name) + f"aws: {{account_id: '{number:012}'}}\n"
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
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    file = write(tmp_path, GOOD)
    resolved = environments.resolve(environments.read(file), OTHER, tmp_path / "local")
    assert resolved.digest == OTHER
    assert resolved.file != file
    assert file.read_text(encoding="utf-8") == GOOD
    assert "# kept" in resolved.file.read_text(encoding="utf-8")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own; returns the folder in which tasks keep what they remember."""
    local = tmp_path / "local"
    monkeypatch.setattr(environments, "LOCAL", local)
    monkeypatch.setattr(environments, "MEMORY", local / "digest.json")
    monkeypatch.setattr(roots, "LOCAL", local)
    return local


def test_git_alone_names_the_digest_of_every_deployed_environment(machine: Path) -> None:
    for name in environments.names():
        environments.remember(environments.load(name), DIGEST)
    names = [name for name in environments.names() if environments.resolved(name).digest == DIGEST]
    assert names == [environments.LOCAL_ENVIRONMENT]


@pytest.mark.parametrize("content", ["", "[]", "null", '{"digest"', '{"digest": null}', "\xff"])
def test_an_unreadable_memory_is_none(machine: Path, content: str) -> None:
    machine.mkdir()
    environments.MEMORY.write_bytes(content.encode("latin-1"))
    assert environments.resolved(environments.LOCAL_ENVIRONMENT).digest is None


def test_a_review_is_of_its_own_digest_and_leaves_nothing_for_another_command(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed: list[str | None] = []
    both = Barrier(2)

    def planned(root: Root, **_: object) -> terraform.Plan:
        both.wait()
        reviewed.append(environments.read(Path(root.variables["environment_file"])).digest)
        return terraform.Plan(root, changed=False, document=None, key="")

    monkeypatch.setattr(terraform, "plan", planned)
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=False))
    digests = [f"sha256:{digit * 64}" for digit in "12"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda digest: plan.run("staging", digest=digest, lock=False), digests))
    assert sorted(map(str, reviewed)) == digests
    assert not machine.exists()
    assert plan.run("staging").headline == "nothing is released to staging yet"


def test_a_plan_is_stale_once_git_names_another_digest(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    file = write(tmp_path, f"{GOOD}aws: {{account_id: '000000000001'}}\n")
    environments.resolve(environments.read(file), DIGEST, environments.plan_folder("demo"))

    def key() -> str:
        demo = environments.planned(environments.read(file))
        return roots.source_key(roots.environment_root(demo, {}))

    before = key()
    assert before == key()
    file.write_text(file.read_text(encoding="utf-8").replace(DIGEST, OTHER), encoding="utf-8")
    assert key() != before


@pytest.mark.parametrize("name", environments.names())
def test_the_committed_files_are_good(name: str) -> None:
    assert environments.load(name).name == name
