"""The repository over HTTP, by Git's own server program: a private one, which needs a token for every fetch."""

import base64
import os
import subprocess
from collections.abc import Collection, Mapping
from email.parser import BytesHeaderParser
from pathlib import Path
from urllib.parse import urlsplit

GIT_SECONDS = 300
#: Status, header fields and body.
Answer = tuple[int, Mapping[str, str], bytes]
#: A client then asks again with credentials.
UNKNOWN: Answer = (401, {"WWW-Authenticate": 'Basic realm="GitHub"'}, b"")
FORBIDDEN: Answer = (403, {}, b"Write access to repository not granted.")
#: HTTP header fields that the program reads, by its name for them.
FIELDS = {
    "CONTENT_TYPE": "Content-Type",
    "HTTP_CONTENT_ENCODING": "Content-Encoding",
    "GIT_PROTOCOL": "Git-Protocol",
}


def answer(
    bare: Path,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    readers: Collection[str],
    writers: Collection[str],
) -> Answer:
    """Status, header fields and body for one call of a Git client.

    Args:
        target: Path and query; what follows ``.git`` is the program's.
        readers: Tokens that may fetch.
        writers: Tokens that may push as well.
    """
    url = urlsplit(target)
    token = _token(headers.get("Authorization", ""))
    if token not in {*readers, *writers}:
        return UNKNOWN
    if "git-receive-pack" in target and token not in writers:
        return FORBIDDEN
    environment = {
        **os.environ,
        "GIT_PROJECT_ROOT": str(bare),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": url.path.partition(".git")[2],
        "QUERY_STRING": url.query,
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_USER": "x-access-token",
        **{name: headers[field] for name, field in FIELDS.items() if field in headers},
    }
    done = subprocess.run(
        ["git", "http-backend"],
        env=environment,
        input=body,
        capture_output=True,
        check=True,
        timeout=GIT_SECONDS,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    fields = dict(BytesHeaderParser().parsebytes(head).items())
    return int(fields.pop("Status", "200").split()[0]), fields, content


def _token(authorization: str) -> str:
    kind, _, credentials = authorization.partition(" ")
    if kind.lower() != "basic":
        return ""
    return base64.b64decode(credentials).decode().partition(":")[2]
