"""Locks the Python packages: each requirements file with the hashes of all its packages, for all platforms."""

import os
import shutil
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.paths import LOCAL, log_file

#: In this order: the environment of the tasks includes the application's packages, in the application's versions.
LOCKS = {
    "app/requirements.in": ("app/requirements.txt",),
    "requirements/pipeline.in": (
        *("requirements/pipeline.txt", "--constraint", "app/requirements.txt"),
    ),
    "requirements/uv.in": ("requirements/uv.txt",),
    "localaws/pyproject.toml": ("requirements/localaws.txt",),
    "requirements/checkov.in": ("requirements/checkov.txt",),
}
#: The oldest Python that the locks must serve.
PYTHON = "3.11"


def run(*, upgrade: bool) -> Result:
    uv = shutil.which("uv") or LOCAL / "uv" / "bin" / "uv"
    for source, (target, *options) in LOCKS.items():
        argv: list[str | Path] = [
            *(uv, "pip", "compile", source, "-o", target),
            *("--generate-hashes", "--no-header", "--universal", "--python-version", PYTHON),
            *options,
            *(["--upgrade"] if upgrade else []),
        ]
        with console.progress(source) as step:
            process.run(
                argv,
                log=log_file(f"lock-{Path(target).stem}"),
                env={**os.environ, "UV_NO_PROGRESS": "1"},
                on_line=step.update,
            )
    return Result(f"{len(LOCKS)} locks written")
