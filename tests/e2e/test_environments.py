"""Staging and production as Git has them, on the local AWS: made, left alone by a second plan, changed, destroyed."""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.aws import localaws
from pipeline.core.waiting import wait
from pipeline.releases import environments
from pipeline.terraform import roots
from tests.e2e import checkout as scratch
from tests.e2e.checkout import PORT_STEP, Checkout, client
from tests.e2e.conftest import Deployed
from tests.e2e.kube import NAME

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]

REHEARSAL = {"LOCAL_AWS": "1"}
#: So many resources are made when the apply is interrupted.
BEGUN = 20
WORLD = "0.0.0.0/0"
BUCKET = roots.state_bucket(localaws.ACCOUNT, localaws.REGION)
STATE = {"Bucket": BUCKET, "Key": "staging/terraform.tfstate"}


def inv(checkout: Checkout, *arguments: str, check: bool = True) -> str:
    """What a task says about an environment that is rehearsed on the local AWS."""
    done = checkout.inv(*arguments, check=check, **REHEARSAL)
    return done.stdout + done.stderr


def released(checkout: Checkout, environment: str) -> None:
    """Has the environment's file name the image that the clone has pushed, as a workflow would."""
    digest = json.loads((checkout.folder / ".local" / "build.json").read_text("utf-8"))["digest"]
    checkout.edit(f"environments/{environment}.yaml", "digest: null", f"digest: {digest}")


@pytest.fixture(scope="module")
def staging(deployed: Deployed) -> Iterator[Checkout]:
    """The clone with staging applied, after a killed plan, an interrupted apply and an orphaned one."""
    checkout = deployed.checkout
    released(checkout, "staging")
    inv(checkout, "plan", "--environment", "staging")
    unlocked_after_a_killed_plan(checkout)
    inv(checkout, "plan", "--environment", "staging")
    interrupted(checkout)
    # The plan is used up: it does not know what was made.
    assert "there is no plan" in inv(checkout, "apply", "--environment", "staging", check=False)
    inv(checkout, "plan", "--environment", "staging")
    orphaned(checkout)
    assert "no changes" in inv(checkout, "plan", "--environment", "staging")
    inv(checkout, "apply", "--environment", "staging")
    yield checkout
    # As where the first deployment has failed half-way: Git names no image.
    checkout.restore()
    (checkout.folder / ".local" / "terraform" / "staging" / "staging.yaml").unlink()
    said = inv(checkout, "destroy", "--environment", "staging", "--confirm", "staging")
    assert "resources destroyed" in said
    assert (
        client("ecs", checkout).list_services(cluster=f"{NAME}-staging-cluster")["serviceArns"]
        == []
    )


@contextlib.contextmanager
def running(task: str, checkout: Checkout) -> Iterator[subprocess.Popen[bytes]]:
    """A task on staging that runs beside the test, as from a terminal of its own."""
    journal(checkout).unlink(missing_ok=True)
    with subprocess.Popen(
        ["./inv", task, "--environment", "staging"],
        cwd=checkout.folder,
        env={**checkout.environ(), **REHEARSAL},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        yield process


def unlocked_after_a_killed_plan(checkout: Checkout) -> None:
    """Kills a plan that holds the lock, with Terraform, and removes the lock as the refusal says."""
    s3 = client("s3", checkout)
    lock_file = f"{STATE['Key']}.tflock"

    def locked() -> bool:
        return "Contents" in s3.list_objects_v2(Bucket=BUCKET, Prefix=lock_file)

    with running("plan", checkout) as plan:
        assert wait(locked, timeout=120)
        wrapper = psutil.Process(plan.pid)
        for program in (wrapper, *wrapper.children(recursive=True)):
            program.kill()
    refused = inv(checkout, "plan", "--environment", "staging", check=False)
    lock = re.search(r"--lock ([0-9a-f-]+)", refused)
    assert lock, refused
    assert "is locked by" in refused
    inv(checkout, "unlock", "--environment", "staging", "--lock", lock[1])


def interrupted(checkout: Checkout) -> None:
    """Ctrl-C in the middle of an apply: Terraform ends what it has begun, and saves all of it."""
    with running("apply", checkout) as apply:
        assert wait(lambda: len(created(checkout)) >= BEGUN, timeout=300)
        second = inv(checkout, "apply", "--environment", "staging", check=False)
        assert f"pid {apply.pid}" in second
        apply.send_signal(signal.SIGINT)
        assert apply.wait(timeout=120) != 0
    assert len(created(checkout)) >= BEGUN
    assert created(checkout) - saved(checkout) == set()


def orphaned(checkout: Checkout) -> None:
    """A task that is killed alone: Terraform goes on, refuses others by its lock, and saves all at its end."""
    with running("apply", checkout) as apply:
        assert wait(lambda: len(created(checkout)) >= 1, timeout=300)
        terraform = [
            child
            for child in psutil.Process(apply.pid).children(recursive=True)
            if child.name() == "terraform"
        ]
        apply.kill()
    assert terraform
    assert "is locked by" in inv(checkout, "plan", "--environment", "staging", check=False)
    _, alive = psutil.wait_procs(terraform, timeout=600)
    assert alive == []
    assert [event for event in events(checkout) if event["@level"] == "error"] == []
    assert created(checkout) - saved(checkout) == set()


def journal(checkout: Checkout) -> Path:
    """Terraform's events of the last apply."""
    return checkout.folder / ".local" / "terraform" / "staging" / "apply.jsonl"


def events(checkout: Checkout) -> list[dict[str, Any]]:
    """What Terraform has written there; the last line may be cut off."""
    file = journal(checkout)
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def created(checkout: Checkout) -> set[str]:
    """The addresses that Terraform reports as created."""
    return {
        event["hook"]["resource"]["addr"]
        for event in events(checkout)
        if event["type"] == "apply_complete" and event["hook"]["action"] == "create"
    }


def saved(checkout: Checkout) -> set[str]:
    """What the state in the bucket has."""
    s3 = client("s3", checkout)
    try:
        state = json.loads(s3.get_object(**STATE)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return set()
    return {
        ".".join(part for part in (one.get("module"), one["type"], one["name"]) if part)
        + (f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else "")
        for one in state["resources"]
        for instance in one["instances"]
    }


def test_a_second_plan_has_nothing_to_do(staging: Checkout) -> None:
    assert "no changes" in inv(staging, "plan", "--environment", "staging").lower()


def test_it_answers_by_https_while_another_load_balancer_stands_beside_it(
    staging: Checkout,
) -> None:
    said = inv(staging, "verify", "--environment", "staging", "--smoke")
    assert said.strip().splitlines()[-1].startswith("https://localhost:")


def test_nothing_of_the_interrupted_apply_is_made_twice(
    staging: Checkout,
) -> None:
    ec2 = client("ec2", staging)
    mine = [{"Name": "tag:Environment", "Values": ["staging"]}]
    networks = ec2.describe_vpcs(Filters=mine)["Vpcs"]
    gateways = ec2.describe_nat_gateways(Filters=mine)["NatGateways"]
    assert (len(networks), len(gateways)) == (1, 1)
    assert len(ec2.describe_addresses(Filters=mine)["Addresses"]) == 1


def test_only_the_load_balancer_can_be_reached(staging: Checkout) -> None:
    ec2 = client("ec2", staging)
    groups = {
        one["GroupId"]: one["GroupName"]
        for one in ec2.describe_security_groups()["SecurityGroups"]
        if one["GroupName"].startswith(f"{NAME}-staging")
    }
    rules = [
        (
            groups[one["GroupId"]].removeprefix(f"{NAME}-staging-"),
            one["FromPort"],
            one.get("CidrIpv4")
            or groups[one["ReferencedGroupInfo"]["GroupId"]].removeprefix(f"{NAME}-staging-"),
        )
        for one in ec2.describe_security_group_rules()["SecurityGroupRules"]
        if one["GroupId"] in groups and not one["IsEgress"]
    ]
    balancer = {name for name, _, source in rules if source == WORLD}
    assert len(balancer) == 1
    (outside,) = balancer
    assert {(port, source) for name, port, source in rules if name == outside} == {
        (80, WORLD),
        (443, WORLD),
    }
    ((tasks, _, _),) = [one for one in rules if one[1:] == (5000, outside)]
    assert [one for one in rules if one[0] == tasks] == [(tasks, 5000, outside)]
    assert [one[1:] for one in rules if one[0] not in (tasks, outside)] == [(5432, tasks)]


def test_the_state_is_encrypted_and_every_version_is_kept(staging: Checkout) -> None:
    s3 = client("s3", staging)
    assert s3.head_object(**STATE)["ServerSideEncryption"] == "aws:kms"
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_logging(Bucket=BUCKET)["LoggingEnabled"]["TargetPrefix"].endswith("state/")


def test_a_change_by_hand_is_named(staging: Checkout) -> None:
    logs = client("logs", staging)
    group = f"/ecs/{NAME}-staging"
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    said = inv(staging, "drift", "--environment", "staging", check=False)
    assert "aws_cloudwatch_log_group.application" in said
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    assert "staging is what Git says" in inv(staging, "drift", "--environment", "staging")


def test_a_stale_plan_is_refused(staging: Checkout) -> None:
    file = staging.folder / "environments" / "staging.yaml"
    before = file.read_text(encoding="utf-8")
    home = staging.folder / ".local" / "terraform" / "staging"
    try:
        staging.edit(
            "environments/staging.yaml", "log_retention_days: 30", "log_retention_days: 60"
        )
        inv(staging, "plan", "--environment", "staging")
        kept = {name: (home / name).read_bytes() for name in ("plan.tfplan", "saved.json")}
        inv(staging, "apply", "--environment", "staging")
        for name, content in kept.items():
            (home / name).write_bytes(content)
        assert "the plan is stale" in inv(staging, "apply", "--environment", "staging", check=False)
    finally:
        file.write_text(before, encoding="utf-8")
    inv(staging, "plan", "--environment", "staging")
    inv(staging, "apply", "--environment", "staging")


def test_an_earlier_state_is_seen_and_the_newest_restored(staging: Checkout) -> None:
    s3 = client("s3", staging)
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix=STATE["Key"])["Versions"]
    versions = [one["VersionId"] for one in listed if one["Key"] == STATE["Key"]]
    newest = s3.get_object(**STATE)["Body"].read()
    # The first one that was saved: in the middle of the interrupted apply.
    s3.put_object(**STATE, Body=s3.get_object(**STATE, VersionId=versions[-1])["Body"].read())
    said = inv(staging, "plan", "--environment", "staging", check=False)
    assert "to create" in said
    s3.put_object(**STATE, Body=newest)
    assert "no changes" in inv(staging, "plan", "--environment", "staging").lower()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A clone with production applied, on a local AWS of its own: what is protected there goes with all the rest."""
    clone = scratch.make(
        Path(tmp_path_factory.mktemp("production")) / NAME, port_step=2 * PORT_STEP
    )
    for task in ("bootstrap", "build", "push"):
        inv(clone, task, *(() if task == "build" else ("--environment", "production")))
    released(clone, "production")
    inv(clone, "plan", "--environment", "production")
    inv(clone, "apply", "--environment", "production", "--override", "a test, on any day")
    yield clone
    clone.inv("down")
    assert scratch.containers(clone) == []


def test_production_runs_and_a_second_plan_has_nothing_to_do(production: Checkout) -> None:
    assert "no changes" in inv(production, "plan", "--environment", "production").lower()
    name = roots.base_name(environments.load("production"))
    services = client("ecs", production).describe_services(
        cluster=f"{name}-cluster", services=[f"{name}-service"]
    )["services"]
    assert services[0]["runningCount"] == 3


def test_production_answers_with_every_replica(production: Checkout) -> None:
    assert "https://localhost:" in inv(production, "verify", "--environment", "production")


def test_production_is_not_destroyed_by_mistake(production: Checkout) -> None:
    destroy = ("destroy", "--environment", "production")
    assert "--confirm production" in inv(production, *destroy, check=False)
    said = inv(production, *destroy, "--confirm", "production", check=False)
    assert "is protected" in said
