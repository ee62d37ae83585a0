"""The build stage: the application's image from the work tree."""

from typing import Any

from pipeline.github import figures, reports
from pipeline.images import app as appimage

MB = 1_000_000


def run(*, no_cache: bool = False) -> str:
    """Builds and tags the image, and records what it is in ``.local/build.json``.

    Raises:
        PipelineError: No engine, no base image, no space, or a step of the Dockerfile failed.
    """
    record = appimage.build(no_cache=no_cache)
    base = "an equivalent from Debian packages" if record.base_equivalent else "the official image"
    size = f"{record.size / MB:.1f} MB{against(figures.before('build'), record.size)}"
    reports.write(
        "build",
        f"### Built\n\n`{record.image}`, {size}, in {record.seconds:.1f} s; base: {base}.\n",
    )
    figures.keep("build", {"size": record.size})
    return f"{record.image}, {size}"


def against(main: dict[str, Any] | None, size: int) -> str:
    """How many MB the image has grown since main, in words; nothing where that is not known."""
    if main is None:
        return ""
    return f" ({(size - main['size']) / MB:+.1f} MB against main at {main['commit'][:7]})"
