"""Installs and starts Docker's engine on Debian and Ubuntu, with systemd or without, when this user is root."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from pipeline.core import process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, log_file

START_SECONDS = 60
APT_LOCK_SECONDS = 300
#: The engine belongs to the machine, not to a checkout: it outlives ``./inv down`` and the clone.
ENGINE_LOG = CACHE / "dockerd.log"
#: What dockerd cannot do without: mounts (21) and the bridge with its firewall rules (12).
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


def require_possible(why: str) -> None:
    """Raises PipelineError, with what to do, unless an engine can be installed and started here.

    Args:
        why: Why the engine that should be there cannot be used.
    """
    if os.environ.get("DOCKER_HOST"):
        raise PipelineError(
            f"{why} at DOCKER_HOST={os.environ['DOCKER_HOST']}",
            next_step="start that engine, or unset DOCKER_HOST to use one on this machine",
        )
    if "may not talk" in why:
        raise PipelineError(
            why, next_step="add this user to the group docker and log in again, or run this as root"
        )
    if not Path("/proc/self/status").exists():
        raise PipelineError(
            why, next_step="start Docker Desktop (or another engine), then run this again"
        )
    if os.geteuid() != 0:
        raise PipelineError(
            f"{why}, and this user may not install or start one",
            next_step="start it (sudo systemctl start docker), or install Docker, or run this as root",
        )
    if not is_installed() and not shutil.which("apt-get"):
        raise PipelineError(
            f"{why}, and this is not Debian or Ubuntu, where it could be installed",
            next_step="install Docker with the system's package manager, then run this again",
        )
    missing = _missing_capabilities()
    if missing:
        raise PipelineError(
            f"{why}, and this machine withholds {' and '.join(missing)}, without which none can be started",
            next_step="run this on a machine or in a container with those capabilities, or set DOCKER_HOST",
        )


def is_installed() -> bool:
    """Whether dockerd is on this machine."""
    return shutil.which("dockerd") is not None


def install(on_line: Callable[[str], None]) -> None:
    """Installs Debian's docker.io (engine and command line); raises PipelineError when apt cannot."""
    packages(["docker.io"], on_line=on_line)


def packages(names: list[str], on_line: Callable[[str], None] | None = None) -> None:
    """Installs Debian packages, waiting for another apt run to end first.

    Raises:
        PipelineError: Not root, no apt, or apt failed; its log is named.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise PipelineError(
            f"{' and '.join(names)} cannot be installed by this user on this system",
            next_step=f"install {' and '.join(names)} with the system's package manager",
        )
    log = log_file("apt")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-y", "-o", f"DPkg::Lock::Timeout={APT_LOCK_SECONDS}"]
    for arguments in (["update"], ["install", "--no-install-recommends", *names]):
        process.run(
            [*apt, *arguments],
            log=log,
            env=environment,
            append=True,
            on_line=on_line,
            next_step="read apt's log; check the network and the package sources",
        )


def start(answers: Callable[[], bool]) -> None:
    """Starts dockerd and waits until it answers: through systemd where that runs, else as a detached process.

    Raises:
        PipelineError: It did not answer in time, or ended; its log is named.
    """
    daemon: subprocess.Popen[bytes] | None = None
    if answers():
        return
    if Path("/run/systemd/system").is_dir():
        process.run(["systemctl", "start", "docker"], log=log_file("dockerd"))
    else:
        ENGINE_LOG.parent.mkdir(parents=True, exist_ok=True)
        with ENGINE_LOG.open("ab") as sink:
            # Of our environment it gets the proxy settings and nothing that could be a secret.
            kept = ("PATH", "HOME", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
            allowed = {key: os.environ[key] for key in os.environ if key.upper() in kept}
            daemon = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=allowed,
                cwd="/",
                start_new_session=True,
                close_fds=True,
            )

    def state() -> str:
        if answers():
            return "ready"
        return "ended" if daemon and daemon.poll() is not None else "starting"

    try:
        last = Retrying(
            retry=retry_if_result(lambda seen: seen == "starting"),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(START_SECONDS),
        )(state)
    except RetryError:
        last = "starting"
    if last != "ready":
        what = "ended at once" if last == "ended" else f"did not answer within {START_SECONDS} s"
        raise PipelineError(
            f"the Docker engine {what}{_last_error()}",
            next_step="read its log (journalctl -u docker where systemd runs)",
            log=ENGINE_LOG,
        )


def _missing_capabilities() -> list[str]:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    held = int(bounding.split()[1], 16)
    return [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]


def _last_error() -> str:
    if not ENGINE_LOG.is_file():
        return ""
    lines = ENGINE_LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    told = [
        line for line in lines if "failed" in line or "level=error" in line or "level=fatal" in line
    ]
    return f": {told[-1][-200:]}" if told else ""
