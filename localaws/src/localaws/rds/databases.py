"""RDS instances with a managed password, a stable endpoint name, and data that outlives a restart.
ministack ignores ``ManageMasterUserPassword`` for instances and reports a container address, which changes.
"""

import functools
import hashlib
import json
import logging
from typing import Any

from localaws import emulator
from localaws.emulator import rds, responses, secretsmanager
from localaws.rds import access as database_access
from localaws.settings import Settings

logger = logging.getLogger("localaws.databases")

OK = 200
LOOPBACK = "127.0.0.1"
#: Seconds between two looks at the databases' containers.
WATCH_SECONDS = 2.0
_SECRET = "MasterUserSecret"  # noqa: S105 - a field's name
_EXPORTS = "EnabledCloudwatchLogsExports"


def install(settings: Settings) -> None:
    database_access.install()
    emulator.wrap(rds, "_create_db_instance", _create)
    emulator.wrap(rds, "_modify_db_instance", _modify)
    emulator.wrap(rds, "_delete_db_instance", _delete)
    emulator.wrap(rds, "_apply_instance_filters", _filter)
    emulator.wrap(rds, "_instance_xml", _xml)
    emulator.wrap(rds, "_run_rds_container", functools.partial(_run, settings))
    emulator.wrap(rds, "_rds_docker_scope", functools.partial(_scope, settings))


def host_name(db_id: str, account: str, region: str) -> str:
    """The endpoint's name, of the form that AWS gives: ``<id>.<hash of the account>.<region>.rds.amazonaws.com``."""
    unique = hashlib.sha256(account.encode()).hexdigest()[:12]
    return f"{db_id}.{unique}.{region}.rds.amazonaws.com"


def restart_ended() -> None:
    """Brings back databases whose container has ended (the engine was restarted), for as long as the process lives."""
    while not emulator.ending.wait(WATCH_SECONDS):
        for (account, region, db_id), instance in rds._instances.all_items():
            if instance.get("DBInstanceStatus") != "available":
                continue
            container_id = instance.get("_docker_container_id")
            if not container_id or not _has_ended(container_id) or emulator.ending.is_set():
                continue
            logger.warning("the container of database %s has ended: starting it again", db_id)
            with responses.request_scope(account, region):
                rds._start_rds_container_for_instance(db_id, instance)


def _scope(settings: Settings, original: Any, *args: Any) -> str:
    """Part of the names of containers and volumes: two checkouts on one machine have databases of the same name."""
    return f"{settings.owner}-{original(*args)}"


def _create(original: Any, params: Any) -> Any:
    """CreateDBInstance, with a secret that holds the real password where RDS is to manage it."""
    managed = rds._p(params, "ManageMasterUserPassword") == "true"
    if managed and rds._p(params, "MasterUserPassword"):
        message = "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled."
        return rds._error("InvalidParameterCombination", message, 400)
    password = rds._generate_master_user_password()
    database_access.creating_with.set(rds._p(params, "DBParameterGroupName") or None)
    response = original(params | {"MasterUserPassword": [password]} if managed else params)
    instance = rds._instances.get(rds._p(params, "DBInstanceIdentifier"))
    if response[0] != OK or instance is None:
        return response
    if managed:
        instance[_SECRET] = _secret(params, instance, password)
    _keep(params, instance)
    return rds._single_instance_response(
        "CreateDBInstanceResponse", "CreateDBInstanceResult", instance
    )


def _secret(params: Any, instance: dict[str, Any], password: str) -> dict[str, str]:
    """Makes the managed secret; returns the instance's MasterUserSecret."""
    arn = secretsmanager.create_secret_in_process(
        f"rds!{instance['DbiResourceId'].lower()}",
        json.dumps({"username": instance["MasterUsername"], "password": password}),
        description="The secret associated with the primary RDS DB instance: "
        f"{instance['DBInstanceArn']}",
    )
    _, record = secretsmanager._resolve(arn)
    # As RDS tags it: https://docs.aws.amazon.com/secretsmanager/latest/userguide/managing-secrets-managed-secrets.html
    owner = {
        "aws:secretsmanager:owningService": "rds",
        "aws:rds:primaryDBInstanceArn": instance["DBInstanceArn"],
    }
    record["Tags"] = [{"Key": key, "Value": value} for key, value in owner.items()]
    default_key = (
        f"arn:aws:kms:{rds.get_region()}:{rds.get_account_id()}:key/aws-secretsmanager-default"
    )
    return {
        "SecretArn": arn,
        "SecretStatus": "active",
        "KmsKeyId": rds._p(params, "MasterUserSecretKmsKeyId") or default_key,
    }


def _keep(params: Any, instance: dict[str, Any]) -> None:
    """Settings that ministack takes, but does not return."""
    instance[_EXPORTS] = rds._parse_member_list(params, "EnableCloudwatchLogsExports")
    for key in ("PreferredBackupWindow", "PerformanceInsightsKMSKeyId"):
        value = rds._p(params, key)
        if value:
            instance[key] = value
    if instance["DBInstanceStatus"] == "available" and not instance["_docker_container_id"]:
        # ministack calls a database available whose container could not be started.
        instance["DBInstanceStatus"] = "failed"


def _modify(original: Any, params: Any) -> Any:
    """ModifyDBInstance: a major version goes up, and only where that is allowed; here it stays, as the data does."""
    instance = rds._resolve_instance(rds._p(params, "DBInstanceIdentifier"))
    wanted = rds._p(params, "EngineVersion")
    if instance and wanted:
        now, then = (int(text.split(".")[0]) for text in (instance["EngineVersion"], wanted))
        refusal = ""
        if then < now:
            refusal = (
                f"Cannot upgrade {instance['Engine']} from {instance['EngineVersion']} to {wanted}"
            )
        elif then > now and rds._p(params, "AllowMajorVersionUpgrade") != "true":
            refusal = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        elif then > now:
            refusal = "The local AWS upgrades no database to a new major version: destroy it, and make it anew."
        if refusal:
            return rds._error("InvalidParameterCombination", refusal, 400)
    return original(params)


def _delete(original: Any, params: Any) -> Any:
    """DeleteDBInstance: with a final snapshot of a new name, or expressly without one (RDS API reference)."""
    skipped, snapshot = (
        rds._p(params, "SkipFinalSnapshot") == "true",
        rds._p(params, "FinalDBSnapshotIdentifier"),
    )
    if skipped == bool(snapshot):
        message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified, and refused beside it."
        return rds._error("InvalidParameterCombination", message, 400)
    if snapshot in rds._snapshots:
        message = f"Cannot create the snapshot because a snapshot with the identifier {snapshot} already exists."
        return rds._error("DBSnapshotAlreadyExists", message, 400)
    instance = rds._resolve_instance(rds._p(params, "DBInstanceIdentifier"))
    response = original(params)
    if instance is not None and response[0] == OK:
        if instance.get(_SECRET):
            arn = instance[_SECRET]["SecretArn"]
            secretsmanager.delete_secret_in_process(arn)
        _drop_volume(instance)
    return response


def _filter(original: Any, instances: Any, filters: Any) -> Any:
    """Filters of DescribeDBInstances; ministack ignores dbi-resource-id, which Terraform uses."""
    wanted = filters.get("dbi-resource-id")
    matching = original(instances, filters)
    return [db for db in matching if db["DbiResourceId"] in wanted] if wanted else matching


def _xml(original: Any, instance: Any) -> Any:
    """An instance as the API shows it: under its own name, with its secret."""
    shown = dict(instance)
    if shown.get("Endpoint") and shown.get("_docker_container_id"):
        _, _, _, region, account, *_ = str(instance["DBInstanceArn"]).split(":")
        shown["Endpoint"] = shown["Endpoint"] | {
            "Address": host_name(instance["DBInstanceIdentifier"], account, region),
            "Port": shown.get("_internal_port") or shown["Endpoint"]["Port"],
        }
    text = original(shown)
    left_out = (_SECRET, "PerformanceInsightsKMSKeyId")
    text += emulator.xml({name: instance[name] for name in left_out if instance.get(name)})
    exports = {_EXPORTS: instance.get(_EXPORTS) or []}
    return text.replace(f"<{_EXPORTS}/>", emulator.xml(exports))


def _run(
    settings: Settings,
    original: Any,
    client: Any,
    engine: Any,
    kwargs: Any,
    *args: Any,
    **rest: Any,
) -> Any:
    """Starts the database's container on the tasks' network, under the endpoint's name."""
    labels = kwargs["labels"]
    name = host_name(labels.get("db_id", ""), rds.get_account_id(), rds.get_region())
    for volume in kwargs.get("volumes") or {}:
        client.volumes.create(volume, labels=settings.labels)
    chosen = kwargs | {
        "labels": labels | settings.labels,
        "network": settings.network,
        "networking_config": {settings.network: client.api.create_endpoint_config(aliases=[name])},
        # PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients.
        "stop_signal": "SIGINT",
        "ports": {port: (LOOPBACK, host) for port, host in (kwargs.get("ports") or {}).items()},
    }
    command = database_access.prepare(engine, labels.get("db_id", ""), kwargs["image"])
    if command:
        chosen["command"] = command
    names = [name, *rest.pop("tls_names", ())]
    return original(client, engine, chosen, *args, tls_names=names, **rest)


def all_ready() -> bool:
    """Whether every database takes connections, apart from those that are stopped or have failed."""
    for _scope, instance in rds._instances.all_items():
        if instance.get("DBInstanceStatus") == "creating":
            return False
        if instance.get("DBInstanceStatus") == "available" and instance.get("_internal_address"):
            login = (
                instance["MasterUsername"],
                instance["_MasterUserPassword"],
                instance["DBName"],
            )
            where = (instance["_internal_address"], instance["_internal_port"], instance["Engine"])
            if not rds._try_database_connect(*where, *login):
                return False
    return True


def _has_ended(container_id: str) -> bool:
    from docker.errors import NotFound  # noqa: PLC0415 - the emulator's environment alone has it

    try:
        return bool(rds._get_docker().containers.get(container_id).status in ("exited", "dead"))
    except NotFound:
        return True
    except Exception:  # noqa: BLE001 - the engine does not answer: not a sign of anything yet
        return False


def _drop_volume(instance: dict[str, Any]) -> None:
    """Removes the data of a deleted instance: the next one of that name starts empty, with its own password."""
    name = instance.get("_docker_volume_name")
    if not name:
        return
    try:
        rds._get_docker().volumes.get(name).remove(force=True)
    except Exception as error:  # noqa: BLE001 - a volume that is gone is what is wanted
        logger.warning("the volume %s of a deleted database stays: %s", name, error)
