"""An environment file that could deploy something wrong is refused, with the file and the reason named."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.attestations import admission
from pipeline.aws import account
from pipeline.commands import plan
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.releases import acknowledgements, documents, environments, project
from pipeline.releases.image_reference import PLACEHOLDER
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
aws:
  account_id: "000000000001"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "demo.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_is_read(tmp_path: Path) -> None:
    environment = environments.read(write(tmp_path, GOOD))
    assert str(environment.image) == f"registry.example/app@{DIGEST}"
    assert environment.replicas == 2


def test_a_smoke_test_that_there_is_not_is_refused_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, f"smoke: true\n{GOOD}")
    monkeypatch.setattr(environments, "project", lambda: SimpleNamespace(smoke=("try",)))
    assert environments.read(file).smoke
    monkeypatch.setattr(environments, "project", lambda: SimpleNamespace(smoke=()))
    with pytest.raises(PipelineError, match=r"demo\.yaml.*project\.yaml names no smoke test"):
        environments.read(file)


def test_bootstrap_makes_roles_for_each_deployed_environment_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("local", 1), ("staging", 1), ("qa", 1), ("elsewhere", 2)):
        text = GOOD.replace("demo", name).replace("000000000001", f"{number:012}")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    repository = roots.GitHubRepository("octo/shop", "11", "22")
    variables = roots.bootstrap_root(environments.load("staging"), {}, repository).variables
    assert variables["github_environments"] == '["qa", "staging"]'
    assert list(json.loads(variables["environments"])) == ["local", "qa", "staging"]
    assert variables["create_oidc_provider"] == "true"
    shared = roots.bootstrap_root(
        environments.load("staging"), {}, repository, shared_provider=True
    )
    assert shared.variables["create_oidc_provider"] == "false"
    qa = tmp_path / "qa.yaml"
    qa.write_text(
        qa.read_text(encoding="utf-8").replace(AWS, f"{AWS}  region: eu-west-3\n"), "utf-8"
    )
    with pytest.raises(PipelineError, match=r"in several regions: .*'qa': 'eu-west-3'"):
        roots.bootstrap_root(environments.load("staging"), {}, repository)


PROMOTION = GOOD + "promotion:\n  from: staging\n"
WINDOW = 'schedule: "0 16 * * 5", duration: 62h, timeZone: Etc/UTC'
AWS = 'aws:\n  account_id: "000000000001"\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (DIGEST, "sha256:abc", "4: image.digest is 'sha256:abc'; allowed is sha256: and 64 hex"),
        (
            AWS,
            AWS + "fullnameOverride: shop\n",
            "fullnameOverride is 'shop'.*by project.yaml's name",
        ),
        (AWS, AWS + "nameOverride: shop\n", "nameOverride is 'shop'.*by project.yaml's name"),
        (f"digest: {DIGEST}", "tag: latest", "4: image.tag is 'latest'.*name the image by digest"),
        ("replicaCount: 2", "replicaCount: 0", "5: replicaCount is 0; .* from 1 to 50"),
        ("replicaCount: 2", "replicaCount: true", "5: replicaCount is True; .* from 1 to 50"),
        ("replicaCount: 2", "", "replicaCount is missing"),
        ("postgresql", "sqlite", "2 replicas on sqlite"),
        (
            "postgresql",
            "oracle",
            "7: database.engine is 'oracle'; allowed is sqlite, postgresql or none",
        ),
        ("name: demo", "name: other", "it must be 'demo'"),
        ("name: demo", "name: [", "demo.yaml:3: is not valid YAML"),
        (
            "name: demo",
            "name: demo\nname: demo",
            '2: is not valid YAML .found duplicate key "name"',
        ),
        ("  engine", "\tengine", "7: is not valid YAML .found character"),
        ("# kept", "# k\xe9pt", "demo.yaml:1: is not valid YAML in UTF-8"),
        (GOOD, "- a list\n", "is not a mapping"),
        (GOOD, "", "is not a mapping"),
        (AWS, "", "aws is missing; allowed is a mapping"),
        (AWS, "aws:\n", "8: aws is missing; allowed is a mapping"),
        (AWS, "aws: [a]\n", "8: aws is .'a'.; allowed is a mapping"),
        ('"000000000001"', "012345678901", "9: aws.account_id is 12345678901; .* in quotes"),
        (AWS, AWS + "  load_balancer: []\n", "10: aws.load_balancer is .*; allowed is a mapping"),
        (AWS, AWS + "  tags: {'aws:x': y}\n", "10: aws.tags is .*; allowed is up to 40 tags"),
        (
            AWS,
            AWS + f"  tags: {{x: {'y' * 300}}}\n",
            "10: aws.tags is .*; allowed is up to 40 tags",
        ),
        (AWS, AWS + f"  tags: {dict.fromkeys(map(str, range(41)), 'x')}\n", "up to 40 tags"),
        (GOOD, GOOD + "admission: true\n", "10: admission is True; .* enabled and others"),
        (GOOD, GOOD + "admission: {enabled: 1}\n", "10: admission.enabled is 1; .* true or false"),
        (GOOD, GOOD + "admission: {others: [a b]}\n", "10: admission.others is .*; .* a list of"),
        (
            GOOD,
            GOOD + "admission: {others: [registry.example/app:1]}\n",
            "names registry.example/app:1: the application's own images",
        ),
        (GOOD, GOOD + "admission: {others: a}\n", "10: admission.others is 'a'; .* a list of"),
        (GOOD, PROMOTION + "  soaked: 1h\n", "10: promotion is .*; .* from, verified, soak and"),
        (GOOD, PROMOTION + "  verified: 1\n", "12: promotion.verified is 1; .* true or false"),
        (GOOD, PROMOTION + "  soak: 1 hour\n", "12: promotion.soak is '1 hour'; .* such as 1h30m"),
        *(
            (
                GOOD,
                f"{PROMOTION}  freeze: [{{{WINDOW.replace(good, bad)}}}]\n",
                "12: promotion.freeze is .*; allowed is a list of windows such as",
            )
            for good, bad in (
                ("0 16 * * 5", "0 0 31 2 *"),  # never
                ("0 16 * * 5", "0 16 * * 7"),  # Argo CD's Sunday is 0
                ("0 16 * * 5", "@weekly"),
                ("62h", "0h"),
                ("62h", "3 days"),
                ("Etc/UTC", "Europe/Atlantis"),
                ("Etc/UTC", "../etc"),
                (", timeZone: Etc/UTC", ""),
                ("duration", "durations"),
            )
        ),
    ],
)
def test_a_bad_file_is_refused_by_file_line_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    file = tmp_path / "demo.yaml"
    assert old in GOOD
    file.write_bytes(GOOD.replace(old, new).encode("latin-1"))
    with pytest.raises(PipelineError, match=message) as refused:
        environments.read(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(key=st.sampled_from([*documents.rules(), "whole"]), value=ANYTHING)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_whatever_stands_at_a_key_is_taken_or_refused(tmp_path: Path, key: str, value: Any) -> None:
    document = YAML(typ="safe").load(GOOD)
    *parents, name = ("document", *key.split(".")) if key != "whole" else ("document",)
    place = {"document": document}
    for parent in parents:
        place = place.setdefault(parent, {})
    place[name] = value
    file = tmp_path / "demo.yaml"
    with file.open("w", encoding="utf-8") as sink:
        YAML(typ="safe").dump(document if key != "whole" else value, sink)
    with contextlib.suppress(PipelineError):
        environments.read(file)


@given(content=st.binary(max_size=200))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_whatever_bytes_a_file_has_they_are_refused(tmp_path: Path, content: bytes) -> None:
    for name, read in (("demo.yaml", environments.read), ("project.yaml", project.load)):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(PipelineError):
            read(file)


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
    admitted: list[str] = []
    monkeypatch.setattr(admission, "require", lambda _, image: admitted.append(image.digest))
    digests = [f"sha256:{digit * 64}" for digit in "12"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda digest: plan.run("staging", digest=digest, lock=False), digests))
    assert sorted(map(str, reviewed)) == sorted(admitted) == digests
    assert not machine.exists()
    assert plan.run("staging").headline == "nothing is released to staging yet"


def test_a_review_asks_whether_a_new_image_is_signed_and_no_more_of_the_old_one(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs may be older than signatures are: a change of anything else must be possible."""
    old, new = (f"sha256:{digit * 64}" for digit in "12")
    monkeypatch.setattr(git, "show", lambda *_, **__: f"image: {{digest: {old}}}")
    monkeypatch.setattr(terraform, "plan", lambda root, **_: terraform.Plan(root, False, None, ""))
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=False))
    asked: list[str] = []
    monkeypatch.setattr(admission, "require", lambda _, image: asked.append(image.digest))
    for digest in (old, PLACEHOLDER, new):
        plan.run("staging", digest=digest, lock=False)
    assert asked == [new]


def test_a_review_that_costs_more_than_the_budget_fails_and_keeps_its_report(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    balancers = [
        {"type": "aws_lb", "mode": "managed", "address": f"aws_lb.x{number}", "values": {}}
        for number in range(50)
    ]
    document = {"planned_values": {"root_module": {"resources": balancers}}}
    monkeypatch.setattr(
        terraform, "plan", lambda root, **_: terraform.Plan(root, True, document, "")
    )
    monkeypatch.setattr(account, "account", lambda _: account.Account({}, local=False))
    monkeypatch.setattr(admission, "require", lambda *_: None)
    meant: list[str] = []
    monkeypatch.setattr(acknowledgements, "committed", lambda _: meant)
    with pytest.raises(PipelineError, match=r"above its budget of .* \(aws.budget_usd\)") as caught:
        plan.run("staging", digest=DIGEST, lock=False)
    assert "| budget (aws.budget_usd) |" in caught.value.report
    meant.append("aws.budget_usd")
    plan.run("staging", digest=DIGEST, lock=False)


def test_a_plan_is_stale_once_git_names_another_digest(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    file = write(tmp_path, GOOD)
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
