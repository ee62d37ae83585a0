"""Access file of a local PostgreSQL: with ``rds.force_ssl`` only clients that use TLS, as on AWS.
It is put into the container beside the server's certificate, before PostgreSQL starts.
"""

import io
import tarfile
from contextvars import ContextVar
from typing import Any

from localaws import emulator
from localaws.emulator import rds

_PARAMETER = "rds.force_ssl"
#: From this major version on AWS forces TLS by default.
_FORCED_FROM = 15

_forced: ContextVar[bool] = ContextVar("forced", default=False)
#: The parameter group of an instance that is just being created.
creating_with: ContextVar[str | None] = ContextVar("creating_with", default=None)


def install() -> None:
    emulator.wrap(rds, "_pg_tls_archive", _with_access_file)


def prepare(engine: str, db_id: str, image: str) -> list[str]:
    """PostgreSQL's command for an instance; call it in the context in which the container is then made."""
    if "postgres" not in engine:
        return []
    instance = rds._instances.get(db_id) or {}
    groups = [group["DBParameterGroupName"] for group in instance.get("DBParameterGroups", [])]
    name = creating_with.get() or (groups or [""])[0]
    group = (rds._param_groups.get(name) or {}).get("Parameters") or {}
    value = (group.get(_PARAMETER) or {}).get("ParameterValue")
    # Such as postgres:15-alpine: the major version decides the default.
    major = image.rpartition(":")[2].partition("-")[0]
    by_default = major.isdigit() and int(major) >= _FORCED_FROM
    _forced.set(by_default if value is None else value == "1")
    return ["postgres", "-c", f"hba_file={rds._PG_TLS_DIR}/pg_hba.conf"]


def _with_access_file(original: Any, certificate: str, key: str) -> bytes:
    rules = ["local all all trust", "host all all all scram-sha-256"]
    if _forced.get():
        rules.insert(1, "hostnossl all all all reject")
    content = "\n".join([*rules, ""]).encode()
    archive = io.BytesIO(original(certificate, key))
    with tarfile.open(fileobj=archive, mode="a") as bundle:
        entry = tarfile.TarInfo(f"{rds._PG_TLS_DIR.lstrip('/')}/pg_hba.conf")
        entry.mode, entry.size = 0o600, len(content)
        bundle.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
