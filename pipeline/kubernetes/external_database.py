"""A PostgreSQL outside the environments, on the local cluster: what RDS is to a real one."""

import json
import secrets
from pathlib import Path
from typing import Any

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.core.waiting import wait
from pipeline.kubernetes.cluster import Cluster
from pipeline.releases.environments import Environment

NAMESPACE = "external-services"
NAME = "postgresql"
READY_SECONDS = 90


def ensure(cluster: Cluster, environment: Environment, namespace: str) -> bool:
    """Makes the database and the Secret that an environment's file names; False when they are there or not wanted."""
    name = environment.raw["database"].get("existingSecret")
    if not name or cluster.get("secret", name, namespace) is not None:
        return False
    with console.progress(f"database of {environment.name}"):
        _ensure_server(cluster)
        role = f"app_{environment.name}".replace("-", "_")
        password = secrets.token_urlsafe(24)
        _make_database(cluster, role, password)
        host = f"{NAME}.{NAMESPACE}.svc.cluster.local"
        values = {"host": host, "port": "5432", "dbname": role}
        values |= {"username": role, "password": password}
        cluster.apply(_secret(namespace, name, values))
    return True


def _ensure_server(cluster: Cluster) -> None:
    if cluster.get("secret", NAME, NAMESPACE) is None:
        cluster.apply(_secret(NAMESPACE, NAME, {"password": secrets.token_urlsafe(24)}))
    cluster.apply(Path(__file__).with_name("external-database.yaml").read_text(encoding="utf-8"))

    def ready() -> bool:
        server = cluster.get("statefulset", NAME, NAMESPACE) or {}
        return bool(server.get("status", {}).get("readyReplicas"))

    if not wait(ready, timeout=READY_SECONDS):
        raise PipelineError(
            f"the external database was not ready within {READY_SECONDS} s",
            next_step=f"kubectl -n {NAMESPACE} describe pods shows why",
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


def _secret(namespace: str, name: str, values: dict[str, str]) -> str:
    """The manifests of a namespace and a Secret in it."""
    metadata = {"name": name, "namespace": namespace}
    manifests: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values},
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
