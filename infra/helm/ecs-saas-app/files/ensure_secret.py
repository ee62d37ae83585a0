"""Makes a Secret with random values, or adds those that it lacks; never changes one that is there.

Usage: ensure_secret.py NAME KEY...
"""

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


def main(name: str, keys: list[str]) -> None:
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


main(sys.argv[1], sys.argv[2:])
