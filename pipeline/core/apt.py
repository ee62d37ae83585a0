"""Debian packages that a task needs on this machine."""

import os
import shutil
from collections.abc import Callable

from pipeline.core import process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file

LOCK_SECONDS = 300


def install(*packages: str, on_line: Callable[[str], None] | None = None) -> None:
    """Installs packages; raises PipelineError where this user cannot, or apt failed (its log is named)."""
    names = " and ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise PipelineError(
            f"{names} cannot be installed by this user on this system",
            next_step=f"install {names} with the system's package manager",
        )
    apt = ["apt-get", "-y", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}"]
    for arguments in (["update"], ["install", "--no-install-recommends", *packages]):
        process.run(
            [*apt, *arguments],
            log=log_file("apt"),
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            append=True,
            on_line=on_line,
            next_step="read apt's log; check the network and the package sources",
        )
