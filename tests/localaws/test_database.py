"""RDS with a managed password: the database is real, its secret opens it, and its data outlives a restart."""

import json
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from botocore.exceptions import ClientError

from pipeline.aws import localaws
from tests.localaws.conftest import World, until

pytestmark = pytest.mark.engine

NAME = "shop"
USER = "planner"


@pytest.fixture(scope="module")
def instance(world: World) -> Iterator[dict[str, Any]]:
    rds = world.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName=NAME, DBParameterGroupFamily="postgres15", Description="TLS only"
    )
    rds.modify_db_parameter_group(
        DBParameterGroupName=NAME,
        Parameters=[
            {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
        ],
    )
    rds.create_db_instance(
        DBInstanceIdentifier=NAME,
        Engine="postgres",
        EngineVersion="15.7",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        DBName="plans",
        MasterUsername=USER,
        ManageMasterUserPassword=True,
        DBParameterGroupName=NAME,
    )
    yield available(world)
    rds.delete_db_instance(DBInstanceIdentifier=NAME, FinalDBSnapshotIdentifier=f"{NAME}-final")
    (snapshot,) = rds.describe_db_snapshots(DBSnapshotIdentifier=f"{NAME}-final")["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == NAME


def available(world: World) -> dict[str, Any]:
    """The instance once it is available."""

    def look() -> dict[str, Any] | None:
        rds = world.client("rds")
        found = rds.describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"][0]
        assert found["DBInstanceStatus"] in ("creating", "available")
        return dict(found) if found["DBInstanceStatus"] == "available" else None

    found = until(look, "the database to be available")
    assert found is not None
    return found


def secret_of(world: World, instance: dict[str, Any]) -> dict[str, str]:
    arn = instance["MasterUserSecret"]["SecretArn"]
    text = world.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return dict(json.loads(text))


def query(
    world: World, instance: dict[str, Any], statement: str, *, sslmode: str = "require"
) -> tuple[int, str]:
    """Runs SQL as a task would: from the tasks' network, by the endpoint's name; exit code and output."""
    login = secret_of(world, instance)
    client = docker.from_env()
    address = instance["Endpoint"]["Address"]
    container = client.containers.run(
        "delivery/docker.io/library/postgres:15-alpine",
        ["-X", "-A", "-t", "-c", statement],
        entrypoint=["psql"],
        network=localaws.NETWORK,
        environment={
            "PGHOST": address,
            "PGPORT": str(instance["Endpoint"]["Port"]),
            "PGUSER": login["username"],
            "PGPASSWORD": login["password"],
            "PGDATABASE": "plans",
            "PGSSLMODE": sslmode,
        },
        labels={"delivery.checkout": localaws.OWNER},
        detach=True,
    )
    try:
        code = container.wait()["StatusCode"]
        return code, container.logs().decode().strip()
    finally:
        container.remove(force=True)


def test_the_managed_secret_opens_the_database(world: World, instance: dict[str, Any]) -> None:
    assert secret_of(world, instance)["username"] == USER
    assert query(world, instance, "SELECT current_user") == (0, USER)


def test_the_endpoint_has_a_name_of_rds(instance: dict[str, Any]) -> None:
    address = instance["Endpoint"]["Address"]
    assert address.startswith(f"{NAME}.")
    assert address.endswith(".us-east-1.rds.amazonaws.com")
    assert instance["Endpoint"]["Port"] == 5432


def test_connections_without_tls_are_refused(world: World, instance: dict[str, Any]) -> None:
    code, output = query(world, instance, "SELECT 1", sslmode="disable")
    assert code != 0
    assert "no encryption" in output


def test_an_instance_is_found_by_its_resource_id_alone(
    world: World, instance: dict[str, Any]
) -> None:
    rds = world.client("rds")

    def found(identifier: str) -> list[Any]:
        by_id = [{"Name": "dbi-resource-id", "Values": [identifier]}]
        return list(rds.describe_db_instances(Filters=by_id)["DBInstances"])

    assert [one["DBInstanceIdentifier"] for one in found(instance["DbiResourceId"])] == [NAME]
    assert found("db-GONE") == []


def test_a_database_goes_with_a_new_snapshot_or_expressly_without_one(
    world: World, instance: dict[str, Any]
) -> None:
    rds = world.client("rds")
    taken, both = {"FinalDBSnapshotIdentifier": "taken"}, "InvalidParameterCombination"
    rds.create_db_snapshot(DBInstanceIdentifier=NAME, DBSnapshotIdentifier="taken")
    for parameters, code in (
        ({}, both),
        ({"SkipFinalSnapshot": True, **taken}, both),
        (taken, "DBSnapshotAlreadyExists"),
    ):
        with pytest.raises(ClientError) as refused:
            rds.delete_db_instance(DBInstanceIdentifier=NAME, **parameters)
        assert refused.value.response["Error"]["Code"] == code
    rds.modify_db_instance(DBInstanceIdentifier=NAME, DeletionProtection=True)
    with pytest.raises(ClientError, match="DeletionProtection"):
        rds.delete_db_instance(DBInstanceIdentifier=NAME, SkipFinalSnapshot=True)
    rds.modify_db_instance(DBInstanceIdentifier=NAME, DeletionProtection=False)
    assert available(world)["DBInstanceIdentifier"] == NAME


def test_a_database_is_neither_downgraded_nor_upgraded_by_a_major_version_unasked(
    world: World, instance: dict[str, Any]
) -> None:
    rds = world.client("rds")
    for version, allowed, said in (
        ("14", True, "Cannot upgrade postgres"),
        ("16", False, "AllowMajorVersionUpgrade flag must be present"),
        ("16", True, "The local AWS upgrades no database"),
    ):
        with pytest.raises(ClientError, match=said):
            rds.modify_db_instance(
                DBInstanceIdentifier=NAME, EngineVersion=version, AllowMajorVersionUpgrade=allowed
            )
    assert available(world)["EngineVersion"] == instance["EngineVersion"]


def test_data_outlives_a_crash_of_the_database(world: World, instance: dict[str, Any]) -> None:
    assert query(world, instance, "CREATE TABLE kept (value int)")[0] == 0
    assert query(world, instance, "INSERT INTO kept VALUES (42)")[0] == 0
    filters: dict[str, str | list[str] | bool] = {
        "label": [f"delivery.checkout={localaws.OWNER}", f"db_id={NAME}"]
    }
    client = docker.from_env()
    before = client.containers.list(filters=filters)[0]
    before.kill()
    until(
        lambda: (
            [one.id for one in client.containers.list(filters=filters)] not in ([], [before.id])
        ),
        "the database to be started again",
    )
    until(lambda: query(world, instance, "SELECT 1")[0] == 0, "the database to answer")
    assert query(world, instance, "SELECT value FROM kept") == (0, "42")
    assert query(world, instance, "SELECT 1", sslmode="disable")[0] != 0
