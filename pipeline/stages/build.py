"""The build stage: the application's image from the work tree."""

from pipeline.engines import appimage, reports

MB = 1_000_000


def run(*, no_cache: bool = False) -> str:
    """Builds and tags the image, and records what it is in ``.local/build.json``.

    Raises:
        PipelineError: No engine, no base image, no space, or a step of the Dockerfile failed.
    """
    record = appimage.build(no_cache=no_cache)
    base = "an equivalent from Debian packages" if record.base_equivalent else "the official image"
    reports.write(
        "build",
        f"### Built\n\n`{record.image}`, {record.size / MB:.0f} MB, in {record.seconds:.1f} s; base: {base}.\n",
    )
    return f"{record.image}, {record.size / MB:.0f} MB"
