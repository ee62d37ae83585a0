"""Builds the application's image from the work tree."""

from typing import Any

from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.github import actions, figures
from pipeline.images import app as app_image
from pipeline.images.app import Record

MB = 1_000_000


def run(*, no_cache: bool = False) -> Result:
    """Builds and tags the image, and records it in ``.local/build.json``.

    Raises PipelineError where a workflow on GitHub would go on with bases that are made where no registry answers.
    """
    record = app_image.build(no_cache=no_cache)
    if record.base_equivalent and actions.on_github():
        raise PipelineError(
            f"no registry gave a base image, and {record.base} is an equivalent for machines without one",
            next_step="run the job again",
        )
    result = report(record, figures.before("build", "size"))
    figures.keep("build", {"size": record.size})
    return result


def report(record: Record, main: dict[str, Any] | None) -> Result:
    """What was built, and its size against main's."""
    base = "an equivalent from Debian packages" if record.base_equivalent else "the official image"
    size = f"{record.size / MB:.1f} MB{against(main, record.size)}"
    return Result(
        f"{record.image}, {size}",
        f"### Image: {size}\n\n`{record.image}`, in {record.seconds:.1f} s; base: {base}.\n",
    )


def against(main: dict[str, Any] | None, size: int) -> str:
    """The growth since main (``+0.1 MB against main at 1a2b3c4``) in brackets; empty where main's size is unknown."""
    if main is None:
        return ""
    return f" ({(size - main['size']) / MB:+.1f} MB against main at {main['commit'][:7]})"
