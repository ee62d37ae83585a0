"""A root file system of Debian packages, made by mmdebstrap without a registry."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from pipeline.core import apt, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file

#: A memory-backed work folder halves the time; it is used when this much memory is free.
NEEDED_MEMORY_BYTES = 3 * 2**30
OPTIONS = (
    "--variant=minbase",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*/LC_MESSAGES/*.mo",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
)
#: Without it apt takes usrmerge, which brings all of Perl, for a merge that has been made already.
PREFERENCE = '"$1"/etc/apt/preferences.d/no-usrmerge'
NO_USRMERGE = (
    f"--setup-hook=printf 'Package: usrmerge\\nPin: release *\\nPin-Priority: -1\\n' >{PREFERENCE}",
    f"--customize-hook=rm {PREFERENCE}",
)
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def root_file_system(
    target: Path, suite: str, packages: Sequence[str], on_line: Callable[[str], None]
) -> None:
    """Writes a tar archive with a minimal Debian and some packages; the same packages give the same bytes."""
    if not shutil.which("mmdebstrap"):
        apt.install("mmdebstrap", "debian-archive-keyring", on_line=on_line)
    argv = ["mmdebstrap", "--verbose", *OPTIONS, *NO_USRMERGE, f"--include={','.join(packages)}"]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY")
        if proxy:
            argv.append(f'--aptopt=Acquire::{scheme}::Proxy "{proxy}"')
    argv += [suite, str(target), *_mirror(suite)]
    work = target.parent.with_name("work")
    work.mkdir()
    process.run(
        [*_in_memory(work), *argv],
        log=log_file("mmdebstrap"),
        env={**os.environ, "SOURCE_DATE_EPOCH": "0", "TMPDIR": str(work)},
        on_line=lambda line: on_line(line.removeprefix("I: ")),
        next_step="read the log; check the network and Debian's package sources",
    )


def _mirror(suite: str) -> list[str]:
    """This machine's own Debian sources where they are for the suite: a mirror may be the only way."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    fits = f"VERSION_CODENAME={suite}" in release and "\nID=debian" in f"\n{release}"
    return [str(SOURCES)] if fits and SOURCES.is_file() else []


def _in_memory(work: Path) -> list[str]:
    """The words before a command that run it with its work folder in memory, where that is possible."""
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(work)]
    if psutil.virtual_memory().available < NEEDED_MEMORY_BYTES or not shutil.which("unshare"):
        return []
    try:
        process.capture(["unshare", "--mount", *mount])
    except PipelineError:
        return []
    script = 'mount -t tmpfs -o mode=755 tmpfs "$1"; shift; exec "$@"'
    return ["unshare", "--mount", "sh", "-euc", script, "sh", str(work)]
