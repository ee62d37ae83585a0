"""Formats Python and HCL in place, applies ruff's safe fixes and writes what is generated."""

import sys
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import process
from pipeline.core.paths import ROOT, log_file
from pipeline.core.tools import tool
from pipeline.kubernetes import helm
from pipeline.releases import written
from pipeline.releases.project import project


def run() -> Result:
    unchecked = ".local" if project().checked else "app"
    commands: list[list[str | Path]] = [
        [tool("ruff"), "check", "--fix", "--exit-zero", "--extend-exclude", unchecked, "."],
        [tool("ruff"), "format", "--exclude", unchecked, "."],
        [tool("terraform"), "fmt", "-recursive", ROOT / "infra"],
        [sys.executable, "-m", "pipeline.terraform.module_readme"],
        helm.write_readme_command(),
        [sys.executable, "-m", "pipeline.diagrams.architecture"],
    ]
    written.differing(write=True)
    for number, argv in enumerate(commands):
        process.run(argv, log=log_file("format"), append=number > 0)
    return Result("formatted")
