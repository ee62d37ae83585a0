"""Files that another process may read at any time: written whole or not at all."""

import json
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

#: For this user alone: credentials, plans, addresses with passwords.
PRIVATE = 0o600


def write(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Replaces a file atomically, with the permissions ``mode`` from the first byte on; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{threading.get_native_id()}")
    try:
        if mode is not None:
            partial.touch(PRIVATE)
            partial.chmod(mode)
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_yaml(path: Path) -> Any:
    """The document in a YAML file of this repository."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - not every task reads one

    return YAML(typ="safe").load(path)


def editing_yaml() -> Any:
    """YAML that keeps comments and quotes, and writes as yamllint and the tasks that edit digests want it."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - not every task edits one

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def read_json(path: Path, fields: Collection[str]) -> dict[str, Any] | None:
    """The JSON object in a file; None when there is no file, anything else in it, or a field is missing."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(document, dict) and document.keys() >= {*fields}
    return document if whole else None
