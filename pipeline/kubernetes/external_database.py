"""A PostgreSQL outside the environments, on the local cluster: what RDS is to a real one."""

import base64
import json
import secrets
from pathlib import Path

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.environments import Environment

NAMESPACE = "external-services"
NAME = "postgresql"
READY_SECONDS = 90


def ensure(cluster: Cluster, environment: Environment, namespace: str) -> bool:
    """Makes the database and the Secret that an environment's file names; False when they are there or not wanted.

    Raises:
        PipelineError: The database server did not start.
    """
    name = environment.raw["database"].get("existingSecret")
    if not name or cluster.get("secret", name, namespace) is not None:
        return False
    with console.progress(f"database of {environment.name}"):
        _ensure_server(cluster)
        role = f"app_{environment.name}".replace("-", "_")
        password = secrets.token_urlsafe(24)
        cluster.ensure_namespace(namespace)
        _make_database(cluster, role, password)
        values = {
            "host": f"{NAME}.{NAMESPACE}.svc.cluster.local",
            "port": "5432",
            "dbname": role,
            "username": role,
            "password": password,
        }
        cluster.apply(_secret(name, values), namespace=namespace)
    return True


def _ensure_server(cluster: Cluster) -> None:
    cluster.ensure_namespace(NAMESPACE)
    if cluster.get("secret", NAME, NAMESPACE) is None:
        cluster.apply(_secret(NAME, {"password": secrets.token_urlsafe(24)}), namespace=NAMESPACE)
    cluster.apply(Path(__file__).with_name("external-database.yaml").read_text(encoding="utf-8"))

    def ready() -> bool:
        found = cluster.get("statefulset", NAME, NAMESPACE)
        return bool(found and found["status"].get("readyReplicas"))

    if not wait(ready, timeout=READY_SECONDS):
        raise PipelineError(
            f"the external database was not ready within {READY_SECONDS} s",
            next_step=f"kubectl -n {NAMESPACE} describe pods says why",
        )


def _make_database(cluster: Cluster, role: str, password: str) -> None:
    """Makes role and database, or gives the role a new password; the statements go through standard input."""
    script = (  # the role's name is made of an environment's name, the password of URL-safe characters
        f"SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')\\gexec\n"  # noqa: S608
        f"ALTER ROLE {role} PASSWORD '{password}';\n"
        f"SELECT 'CREATE DATABASE {role} OWNER {role}' "
        f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{role}')\\gexec\n"
    )
    psql = ["psql", "--username=postgres", "--quiet", "--set=ON_ERROR_STOP=1"]
    cluster.run("-n", NAMESPACE, "exec", "-i", f"statefulset/{NAME}", "--", *psql, stdin=script)


def _secret(name: str, values: dict[str, str]) -> str:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "Opaque",
            "data": data,
        }
    )
