"""Pushes to the local registry: a tag is not trusted, and every environment has its own account and region."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import docker
import pytest

from pipeline.argocd import git_server
from pipeline.aws import account, localaws
from pipeline.commands import plan, promote
from pipeline.core.errors import PipelineError
from pipeline.images import push
from pipeline.releases import environments, history
from pipeline.releases.desired import Desired
from pipeline.releases.history import Release
from pipeline.targets import kubernetes
from pipeline.terraform import run as terraform
from tests.localaws.conftest import World, until

pytestmark = pytest.mark.engine

NAME = "pushed-twice"
NOWHERE = f"sha256:{'1' * 64}"


def image(label: str) -> str:
    """An image of its own, without layers of any use."""
    dockerfile = io.BytesIO(f"FROM scratch\nLABEL is={label}\nCOPY . /\n".encode())
    made, _ = docker.from_env().images.build(fileobj=dockerfile, tag=f"{NAME}:{label}", rm=True)
    return str(made.tags[0])


def test_a_tag_that_holds_another_image_is_refused(running: None) -> None:
    World("", "", []).client("ecr").create_repository(repositoryName=NAME)
    repository = f"{localaws.registry()}/{NAME}"
    one, two = image("one"), image("two")
    try:
        first = push.push(one, repository, "v1")
        assert push.push(one, repository, "v1") == first
        with pytest.raises(PipelineError, match=r"the tag v1 of .* holds another image"):
            push.push(two, repository, "v1")
        assert push.push(two, repository, "v2") != first
    finally:
        for made in (one, two):
            docker.from_env().images.remove(made, force=True)


def test_an_image_that_no_registry_has_is_planned_and_committed_nowhere(
    running: None, desired: Desired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "LOCAL", tmp_path)
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    steps: dict[tuple[ModuleType, str, str], Callable[[], object]] = {
        (terraform, "plan", "false"): lambda: plan.run("local", digest=NOWHERE),
        (git_server, "commit", "false"): lambda: kubernetes.deliver(local, NOWHERE),
        (history, "set_text", "false"): lambda: promote.run("local", "staging"),
        # It is not verified, and this may be a weekend.
        (history, "propose", "true"): lambda: promote.run(
            "staging", "production", digest=NOWHERE, override="a test"
        ),
    }
    content = {"image": {"digest": NOWHERE}}
    released = Release("a" * 40, "", content, "Release", datetime(2026, 11, 27, tzinfo=UTC))
    monkeypatch.setattr(history, "commits", lambda *_, **__: [released])
    monkeypatch.setattr(git_server, "never_released", lambda _: False)
    monkeypatch.setattr(kubernetes, "desired", lambda *_: desired)
    monkeypatch.setattr(kubernetes, "prepared", lambda: pytest.fail("a cluster was asked for"))
    monkeypatch.setenv("LOCAL_AWS", "1")
    for (module, step, in_workflow), task in steps.items():
        monkeypatch.setenv("GITHUB_ACTIONS", in_workflow)
        monkeypatch.setattr(module, step, lambda *_, **__: pytest.fail("the step has begun"))
        with pytest.raises(PipelineError, match=f"{local.repository} has no image {NOWHERE}"):
            task()


def test_an_environment_has_its_own_account_and_region(
    running: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_AWS", "1")
    text = environments.path("staging").read_text(encoding="utf-8")
    file = tmp_path / "staging.yaml"
    text = text.replace("123456789012", "210987654321").replace("us-east-1", "eu-west-3")
    file.write_text(text, encoding="utf-8")
    there = account.account(environments.read(file))
    assert there.client("sts").get_caller_identity()["Account"] == "210987654321"
    repository = there.client("ecr").create_repository(repositoryName="elsewhere")["repository"]
    assert repository["repositoryUri"].startswith("210987654321.dkr.ecr.eu-west-3.")
    made = image("elsewhere")
    try:
        pushed = push.push(made, f"{localaws.registry()}/elsewhere", "v1")
    finally:
        docker.from_env().images.remove(made, force=True)
    [kept] = there.client("ecr").describe_images(repositoryName="elsewhere")["imageDetails"]
    assert kept["imageDigest"] == pushed.digest
    rds = there.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="elsewhere",
        Engine="postgres",
        EngineVersion="15.7",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        DBName="plans",
        MasterUsername="planner",
        ManageMasterUserPassword=True,
    )
    try:

        def instance() -> dict[str, Any]:
            found = rds.describe_db_instances(DBInstanceIdentifier="elsewhere")["DBInstances"][0]
            return dict(found) if found["DBInstanceStatus"] == "available" else {}

        host = until(instance, "the database to be available")["Endpoint"]["Address"]
        assert ".eu-west-3.rds." in host
        mine: dict[str, str | list[str] | bool] = {"label": "db_id=elsewhere"}
        [container] = docker.from_env().containers.list(filters=mine)
        network = container.attrs["NetworkSettings"]["Networks"][localaws.NETWORK]
        assert host in network["Aliases"]
    finally:
        rds.delete_db_instance(DBInstanceIdentifier="elsewhere", SkipFinalSnapshot=True)
