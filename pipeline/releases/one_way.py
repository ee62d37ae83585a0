"""Settings that a rollback leaves as they are: going back with them destroys, or AWS refuses it.

A lower ``secret_key_version`` makes a new signing key (docs/terraform.md); RDS neither downgrades nor shrinks.
"""

import io
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pipeline.core import files

#: Under ``aws``; the most storage goes with the storage that it must exceed.
SETTINGS = (
    ("secret_key_version",),
    ("database", "engine_version"),
    ("database", "storage_gb"),
    ("database", "max_storage_gb"),
)


def without(content: Mapping[str, Any]) -> dict[str, Any]:
    """An environment file's content but for these settings."""
    left = deepcopy(dict(content))
    for path in SETTINGS:
        _set(left, path, None)
    return left


def kept(text: str, present: str) -> str:
    """The file's text with these settings as the present one has them; formatted anew only where one differs."""
    yaml = files.editing_yaml()
    content, now = yaml.load(text), yaml.load(present)
    before = deepcopy(content)
    for path in SETTINGS:
        value = now.get("aws")
        for key in path:
            value = (value or {}).get(key)
        _set(content, path, value)
    if content == before:
        return text
    made = io.StringIO()
    yaml.dump(content, made)
    return made.getvalue()


def _set(content: Any, path: tuple[str, ...], value: Any) -> None:
    """Sets a setting below ``aws``, or removes it where the value is None."""
    *parents, last = ("aws", *path)
    for key in parents:
        if content.get(key) is None:
            if value is None:
                return
            content[key] = {}
        content = content[key]
    if value is None:
        content.pop(last, None)
    else:
        content[last] = value
