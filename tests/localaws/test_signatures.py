"""Signatures on the local registry, by a key in the local KMS: what is not signed by it is used by no command."""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from pipeline.argocd import git_server
from pipeline.attestations import admission, bundle, kms, statements
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.aws.account import Account
from pipeline.commands import plan, promote, rollback
from pipeline.core.errors import PipelineError
from pipeline.images import push, referrers, registries
from pipeline.images.app import Record
from pipeline.releases import environments, history
from pipeline.releases.desired import Desired
from pipeline.releases.history import Release
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import project
from pipeline.targets import ecs, kubernetes
from pipeline.terraform import roots
from pipeline.terraform import run as terraform
from tests.localaws.cluster import Service
from tests.localaws.conftest import World
from tests.localaws.test_push import image as scratch_image

pytestmark = pytest.mark.engine

TUESDAY = datetime(2026, 11, 24, tzinfo=UTC)
ALIAS = f"alias/{project().name}-images"
RECORD = Record("shop:1", "sha256:1", "1", "c" * 40, "2026-01-01T00:00:00Z", 1, 1.0, "base", False)  # fmt: skip


@pytest.fixture(scope="module")
def account(running: None) -> Account:
    """This machine's account, with the registry and the key that bootstrap makes."""
    local = aws.account(environments.load(environments.LOCAL_ENVIRONMENT))
    ecr = local.client("ecr")
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=project().name, imageTagMutability="IMMUTABLE")
    if not kms.exists(local, repository()):
        point(local, new_key(local))
    return local


@pytest.fixture
def image(account: Account, request: pytest.FixtureRequest) -> Iterator[ImageReference]:
    """An image in the registry that nobody has signed."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    made = scratch_image(name.lower())
    place, _ = registry.reached(account, repository())
    try:
        pushed = push.push(made, place, name)
    finally:
        docker.from_env().images.remove(made, force=True)
    yield ImageReference(repository(), pushed.digest)


def repository() -> str:
    return environments.load(environments.LOCAL_ENVIRONMENT).repository


def new_key(account: Account) -> str:
    client = account.client("kms")
    made = client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return str(made["KeyMetadata"]["KeyId"])


def point(account: Account, key: str) -> None:
    """Has the name of the signing key mean another key."""
    client = account.client("kms")
    there = {each["AliasName"] for each in client.list_aliases()["Aliases"]}
    change = client.update_alias if ALIAS in there else client.create_alias
    change(AliasName=ALIAS, TargetKeyId=key)


def attached(account: Account, image: ImageReference) -> list[bytes]:
    place, credentials = registry.reached(account, image.repository)
    return referrers.attached(replace(image, repository=place), bundle.TYPE, credentials)


def test_an_image_is_signed_once_and_then_used(account: Account, image: ImageReference) -> None:
    assert admission.refusals(account, image) == ["it is not signed"]
    assert admission.attest(account, image, RECORD) == "attested: signature, provenance"
    admission.require(account, image)
    before = attached(account, image)
    assert admission.attest(account, image, RECORD) == "attested before"
    assert attached(account, image) == before


def test_what_a_stranger_attaches_keeps_nothing_from_being_read(
    account: Account, image: ImageReference
) -> None:
    """Whoever may push to the repository, such as another account that runs the images, can attach anything."""
    admission.attest(account, image, RECORD)
    place, credentials = registry.reached(account, image.repository)
    gone = {"mediaType": bundle.TYPE, "digest": f"sha256:{'e' * 64}", "size": 1}
    subject = {"mediaType": referrers.MANIFEST, "digest": image.digest, "size": 1}
    for number, layers in enumerate(([], [gone], [gone, gone], [{**gone, "size": 10**12}], None)):
        manifest = {
            "schemaVersion": 2,
            "mediaType": referrers.MANIFEST,
            "artifactType": bundle.TYPE,
            "config": None,
            "layers": layers,
            "subject": subject,
            "annotations": {"number": str(number)},
        }
        content = json.dumps(manifest).encode()
        path = f"manifests/sha256:{hashlib.sha256(content).hexdigest()}"
        headers = {"Content-Type": referrers.MANIFEST}
        registries.call(
            "PUT", place, path, credentials, statuses=(201,), headers=headers, content=content
        )
    assert len(attached(account, image)) > len(layers_of_ours(account, image))
    admission.require(account, image)


def layers_of_ours(account: Account, image: ImageReference) -> list[bytes]:
    return [content for content in attached(account, image) if content]


def test_a_signature_that_was_removed_is_missed(account: Account, image: ImageReference) -> None:
    admission.attest(account, image, RECORD)
    ecr = account.client("ecr")
    listed = ecr.list_images(repositoryName=project().name, filter={"tagStatus": "UNTAGGED"})
    ecr.batch_delete_image(repositoryName=project().name, imageIds=listed["imageIds"])
    assert admission.refusals(account, image) == ["it is not signed"]


def test_a_strangers_key_and_another_images_signature_are_refused(
    account: Account, image: ImageReference
) -> None:
    client = account.client("kms")
    own = client.describe_key(KeyId=kms.find(account, repository()).name)["KeyMetadata"]["KeyId"]
    point(account, new_key(account))
    admission.attest(account, image, RECORD)
    point(account, own)
    (refusal,) = admission.refusals(account, image)
    assert refusal.startswith("it is signed by another key than arn:aws:kms:")
    other = replace(image, digest=f"sha256:{'d' * 64}")
    content = kms.find(account, repository()).sign(
        statements.statement(other, statements.SIGNATURE, {})
    )
    place, credentials = registry.reached(account, image.repository)
    referrers.attach(replace(image, repository=place), bundle.TYPE, content, {}, credentials)
    assert f"its attestation is of another image ({other.digest})" in admission.refusals(
        account, image
    )


def test_a_key_that_may_not_be_used_is_named(account: Account, image: ImageReference) -> None:
    admission.attest(account, image, RECORD)
    client, arn = account.client("kms"), kms.find(account, repository()).name
    key = client.describe_key(KeyId=arn)["KeyMetadata"]["KeyId"]
    client.disable_key(KeyId=key)
    try:
        with pytest.raises(PipelineError, match="disabled or about to be deleted"):
            admission.require(account, image)
    finally:
        client.enable_key(KeyId=key)
    admission.require(account, image)
    client.delete_alias(AliasName=ALIAS)
    try:
        with pytest.raises(PipelineError, match="has no signing key") as raised:
            admission.require(account, image)
        assert raised.value.next_step == "run ./inv bootstrap"
    finally:
        point(account, key)


def test_a_task_that_nobody_has_signed_is_drift(
    account: Account, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS runs any image; whoever may call it can start one past the service and Terraform."""
    stranger = Service(world, "stranger-cluster")
    monkeypatch.setattr(roots, "base_name", lambda _: "stranger")
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    assert ecs.audit(local) == []
    stranger.create()
    try:
        digest = world.image.partition("@")[2]
        assert ecs.audit(local) == [f"ECS runs {digest}: it is not signed"]
    finally:
        stranger.delete()


@pytest.mark.parametrize("command", ["plan", "apply", "sync", "promote", "rollback"])
def test_no_command_uses_what_is_not_signed(
    account: Account,
    image: ImageReference,
    command: str,
    *,
    desired: Desired,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environments, "LOCAL", tmp_path)
    content = {"image": {"digest": image.digest}}
    text = json.dumps(content)
    released = [Release(commit * 40, text, content, "Release", TUESDAY) for commit in "ab"]
    monkeypatch.setattr(history, "commits", lambda *_, **__: released)
    monkeypatch.setattr(history, "earlier", lambda _: released[1])
    monkeypatch.setattr(git_server, "never_released", lambda _: False)
    monkeypatch.setattr(kubernetes, "desired", lambda *_: desired)
    for module, step in (
        (terraform, "plan"),
        (terraform, "apply"),
        (git_server, "commit"),
        (history, "set_text"),
        (kubernetes, "prepared"),
    ):
        monkeypatch.setattr(module, step, lambda *_, **__: pytest.fail("the step has begun"))
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    monkeypatch.setattr(
        terraform, "saved_plan", lambda root: terraform.Plan(root, True, {"any": "change"}, "")
    )
    commands: dict[str, Callable[[], Any]] = {
        "plan": lambda: plan.run("local", digest=image.digest),
        "apply": lambda: ecs.deliver(replace(local, digest=image.digest)),
        "sync": lambda: kubernetes.deliver(local, image.digest),
        "promote": lambda: promote.run("local", "staging"),
        "rollback": lambda: rollback.run("local"),
    }
    with pytest.raises(PipelineError, match=f"{image} is refused: it is not signed"):
        commands[command]()
