"""kubectl and helm: from PATH where the version fits, else built from source."""

from functools import cache
from pathlib import Path

from pipeline.core import tools


def find(name: str) -> Path | None:
    """The program on PATH, or built before; None where it is neither."""
    if on_path := tools.find(tools.catalogue()[name]):
        return on_path[0]
    from offline import provide  # noqa: PLC0415 - only where it is not on PATH

    return provide.built(name)


@cache
def program(name: str) -> Path:
    """``kubectl`` or ``helm``, built now when it is missing."""
    path = find(name)
    if path is None:
        from offline import provide  # noqa: PLC0415 - only where it is not on PATH

        path = provide.program(name)
    return path
