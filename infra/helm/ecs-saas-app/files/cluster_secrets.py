"""What the chart's Jobs do with Secrets, in the application's image: no module but Python's own.

Usage: cluster_secrets.py ensure NAME KEY... | restart API KIND NAME SECRET...
"""

import hashlib
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CHECKSUM = "checksum/secrets"
CONFLICT = 409
NOT_FOUND = 404


def call(
    method: str, path: str, body: object = None, kind: str = "application/json"
) -> dict[str, Any]:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request(
        f"https://{host}:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
            "Content-Type": kind,
        },
    )
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=20) as response:  # noqa: S310 - https as above
        answer: dict[str, Any] = json.load(response)
    return answer


def held(path: str) -> dict[str, str] | None:
    """What a Secret holds, by key; None where there is no such Secret."""
    try:
        return call("GET", path).get("data") or {}
    except urllib.error.HTTPError as error:
        if error.code != NOT_FOUND:
            raise
        return None


def ensure(name: str, *keys: str) -> None:
    """Makes a Secret with random values, or adds those that it lacks; never changes one that is there."""
    folder = f"/api/v1/namespaces/{(ACCOUNT / 'namespace').read_text()}/secrets"
    present = held(f"{folder}/{name}")
    missing = {key: secrets.token_urlsafe(32) for key in keys if key not in (present or {})}
    if present is None:
        secret = {"metadata": {"name": name}, "type": "Opaque", "stringData": missing}
        try:
            call("POST", folder, secret)
        except urllib.error.HTTPError as error:
            if error.code != CONFLICT:
                raise
            print(f"{name} was made by another run meanwhile")
            return
    elif missing:
        call("PATCH", f"{folder}/{name}", {"stringData": missing}, "application/merge-patch+json")
    print(f"{name}: {', '.join(missing) or 'nothing'} made, the rest kept")


def restart(api: str, kind: str, name: str, *names: str) -> None:
    """Replaces the pods of one of the `deployments` or `rollouts` unless they were made with what the Secrets hold."""
    namespace = (ACCOUNT / "namespace").read_text()
    data = [held(f"/api/v1/namespaces/{namespace}/secrets/{each}") for each in names]
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
    path = f"/apis/{api}/namespaces/{namespace}/{kind}/{name}"
    workload = call("GET", path)
    noted = {"metadata": {"annotations": {CHECKSUM: digest}}}
    if kind == "rollouts":
        # Another template would be a new version: judged while the pods before it have the old values.
        holder, patch = workload, {**noted, "spec": {"restartAt": f"{datetime.now(UTC):%FT%TZ}"}}
    else:
        holder, patch = workload["spec"]["template"], {"spec": {"template": noted}}
    if (holder["metadata"].get("annotations") or {}).get(CHECKSUM) == digest:
        print("the pods have the Secrets' values")
        return
    call("PATCH", f"{path}?fieldManager=restart-on-rotation", patch, "application/merge-patch+json")
    print(f"the pods of {name} are replaced: {', '.join(names)} changed")


{"ensure": ensure, "restart": restart}[sys.argv[1]](*sys.argv[2:])
