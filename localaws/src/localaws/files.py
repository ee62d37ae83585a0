"""Writes files whole or not at all."""

import os
import tempfile
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Replaces a file, which only this user can read; its folder exists afterwards."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=file.parent, suffix=".partial")
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(content)
    Path(partial).replace(file)
