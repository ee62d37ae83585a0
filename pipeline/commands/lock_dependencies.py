"""Locks the Python packages: each requirements file with the hashes of all its packages, for all platforms."""

import os
import shutil
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.paths import LOCAL, ROOT, log_file
from pipeline.releases.project import project

#: The environment of the tasks includes the packages of an application that it checks, in the application's versions.
LOCKS = {
    "requirements/pipeline.in": ("requirements/pipeline.txt",),
    "requirements/uv.in": ("requirements/uv.txt",),
    "localaws/pyproject.toml": ("requirements/localaws.txt",),
    "requirements/checkov.in": ("requirements/checkov.txt",),
}
#: Where the application names its packages, the first one that is there.
APPLICATION = ("app/requirements.in", "app/pyproject.toml")
#: The oldest Python that the locks must serve.
PYTHON = "3.11"


def run(*, upgrade: bool) -> Result:
    uv = shutil.which("uv") or LOCAL / "uv" / "bin" / "uv"
    # The image takes wheels alone, so that no code of a package runs at a build.
    application = ("app/requirements.txt", "server/requirements.in", "--only-binary", ":all:")
    declared = next(path for path in APPLICATION if (ROOT / path).is_file())
    for source, (target, *options) in {declared: application, **LOCKS}.items():
        if source == "requirements/pipeline.in" and project().checked:
            options += [APPLICATION[0], "--constraint", "app/requirements.txt"]
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
    return Result(f"{len(LOCKS) + 1} locks written")
