"""What the chart's Jobs do with Secrets, in the application's image: no module but Python's own.

Usage: cluster_secrets.py ensure NAME KEY... | restart DEPLOYMENT SECRET...
"""

import hashlib
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request
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


def ensure(name: str, *keys: str) -> None:
    """Makes a Secret with random values, or adds those that it lacks; never changes one that is there."""
    folder = f"/api/v1/namespaces/{(ACCOUNT / 'namespace').read_text()}/secrets"
    try:
        present = call("GET", f"{folder}/{name}").get("data") or {}
    except urllib.error.HTTPError as error:
        if error.code != NOT_FOUND:
            raise
        present = None
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


def restart(deployment: str, *names: str) -> None:
    """Begins a rollout of a Deployment unless its pods were made with what the Secrets hold now."""
    namespace = (ACCOUNT / "namespace").read_text()
    data = [
        call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}").get("data") for name in names
    ]
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
    annotations = call("GET", path)["spec"]["template"]["metadata"].get("annotations") or {}
    if annotations.get(CHECKSUM) == digest:
        print("the pods have the Secrets' values")
        return
    template = {"metadata": {"annotations": {CHECKSUM: digest}}}
    patch = {"spec": {"template": template}}
    call("PATCH", f"{path}?fieldManager=restart-on-rotation", patch, "application/merge-patch+json")
    print(f"{deployment} is rolled out: {', '.join(names)} changed")


{"ensure": ensure, "restart": restart}[sys.argv[1]](*sys.argv[2:])
