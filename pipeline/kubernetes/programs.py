"""kubectl and helm: from PATH where the version fits, else built from source."""

import re
import shutil
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet

from pipeline.core import process
from pipeline.core.errors import PipelineError

#: helm 4 changes hooks and output; kustomize as the manifests need it is built into kubectl since 1.27.
WANTED = {"helm": SpecifierSet(">=3.14,<4"), "kubectl": SpecifierSet(">=1.27")}
VERSION_OPTION = {"helm": "--short", "kubectl": "--client"}


def find(name: str) -> Path | None:
    """The program on PATH, or built before; None where it is neither."""
    path = _on_path(name)
    if path is None:
        from offline import provide  # noqa: PLC0415 - only where it is not on PATH

        path = provide.built(name)
    return path


@cache
def program(name: str) -> Path:
    """``kubectl`` or ``helm``, built now when it is missing.

    Raises:
        PipelineError: It is not on PATH and cannot be built.
    """
    path = find(name)
    if path is None:
        from offline import provide  # noqa: PLC0415 - only where it is not on PATH

        path = provide.program(name)
    return path


def _on_path(name: str) -> Path | None:
    path = shutil.which(name)
    if path is None:
        return None
    try:
        shown = process.capture([path, "version", VERSION_OPTION[name]])
    except PipelineError:
        return None
    version = re.search(r"v(\d+\.\d+\.\d+)", shown)
    return Path(path) if version and version[1] in WANTED[name] else None
