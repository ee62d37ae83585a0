"""Locks the Python packages: every requirements file with the hashes of all its packages, for all platforms."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.core import console, process
from pipeline.core.paths import LOCAL, ROOT, log_file

#: In this order: the environment of the tasks includes the application's packages, in the application's versions.
LOCKS: Sequence[tuple[Path, Sequence[str]]] = (
    (ROOT / "app" / "requirements.in", ()),
    (ROOT / "requirements" / "pipeline.in", ("--constraint", "app/requirements.txt")),
    (ROOT / "requirements" / "uv.in", ()),
    (ROOT / "requirements" / "localaws.in", ()),
    (ROOT / "requirements" / "checkov.in", ()),
)
#: The oldest Python that the locks must serve.
PYTHON = "3.11"


def run(*, upgrade: bool) -> None:
    """Writes each ``X.txt`` from its ``X.in``.

    Args:
        upgrade: Take the newest versions that fit; otherwise only what the ``.in`` files changed moves.

    Raises:
        PipelineError: The requirements contradict each other, or the package index cannot be reached.
    """
    uv = shutil.which("uv") or LOCAL / "uv" / "bin" / "uv"
    for source, options in LOCKS:
        target = source.with_suffix(".txt")
        argv: list[str | Path] = [
            *(uv, "pip", "compile", source.relative_to(ROOT), "-o", target.relative_to(ROOT)),
            *("--generate-hashes", "--no-header", "--universal", "--python-version", PYTHON),
            *options,
            *(["--upgrade"] if upgrade else []),
        ]
        with console.progress(f"{source.relative_to(ROOT)}") as step:
            process.run(
                argv,
                log=log_file(f"lock-{source.stem}"),
                env={**os.environ, "UV_NO_PROGRESS": "1"},
                on_line=step.update,
            )
