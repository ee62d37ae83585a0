"""Installs and starts Docker's engine on Debian and Ubuntu, with systemd or without, when this user is root."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.core import apt, console, locks, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, log_file
from pipeline.core.waiting import wait

START_SECONDS = 60
SYSTEMD = Path("/run/systemd/system")
#: The engine belongs to the machine, not to a checkout: it outlives ``./inv down`` and the clone.
LOG = CACHE / "dockerd.log"
#: What dockerd cannot do without: mounts (21) and the bridge with its firewall rules (12).
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
#: What dockerd gets of our environment: the proxy settings, and nothing that could be a secret.
ENVIRONMENT = ("PATH", "HOME", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def provide(reason: str, answers: Callable[[], bool]) -> None:
    """Installs the engine if it is missing, and starts it. Two checkouts may do so at once: the second one waits.

    ``reason`` is why the engine that should be there cannot be used. Raises PipelineError where none can be had.
    """
    _require_possible(reason)
    with (
        locks.exclusive("engine", CACHE / "locks", wait=True),
        console.progress("Docker engine") as step,
    ):
        if not shutil.which("dockerd"):
            step.update("installing docker.io")
            apt.install("docker.io", on_line=step.update)
        if not answers():
            step.update("starting")
            _start(answers)


def _require_possible(reason: str) -> None:
    host = os.environ.get("DOCKER_HOST")
    status = Path("/proc/self/status")
    missing = _missing_capabilities(status) if status.exists() else []
    obstacles = (
        (
            host,
            f"{reason} at DOCKER_HOST={host}",
            "start that engine, or unset DOCKER_HOST to use one on this machine",
        ),
        (
            "may not talk" in reason,
            reason,
            "add this user to the group docker and log in again, or run this as root",
        ),
        (
            not status.exists(),
            reason,
            "start Docker Desktop (or another engine), then run this again",
        ),
        (
            os.geteuid() != 0,
            f"{reason}, and this user may not install or start one",
            "start it (sudo systemctl start docker), or install Docker, or run this as root",
        ),
        (
            not shutil.which("dockerd") and not shutil.which("apt-get"),
            f"{reason}, and this is not Debian or Ubuntu, where it could be installed",
            "install Docker with the system's package manager, then run this again",
        ),
        (
            missing,
            f"{reason}, and this machine withholds {' and '.join(missing)}, without which none can be started",
            "run this on a machine or in a container with those capabilities, or set DOCKER_HOST",
        ),
    )
    for applies, cause, next_step in obstacles:
        if applies:
            raise PipelineError(cause, next_step=next_step)


def _missing_capabilities(status: Path) -> list[str]:
    lines = status.read_text(encoding="ascii").splitlines()
    bounding = next(line for line in lines if line.startswith("CapBnd:"))
    held = int(bounding.split()[1], 16)
    return [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]


def _start(answers: Callable[[], bool]) -> None:
    daemon: subprocess.Popen[bytes] | None = None
    if SYSTEMD.is_dir():
        process.run(["systemctl", "start", "docker"], log=log_file("dockerd"))
    else:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        with LOG.open("ab") as sink:
            daemon = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={name: os.environ[name] for name in os.environ if name.upper() in ENVIRONMENT},
                cwd="/",
                start_new_session=True,
                close_fds=True,
            )

    def ended() -> bool:
        return daemon is not None and daemon.poll() is not None

    settled = wait(lambda: answers() or ended(), timeout=START_SECONDS, interval=0.2)
    if settled and not ended():
        return
    problem = "ended at once" if settled else f"did not answer within {START_SECONDS} s"
    raise PipelineError(
        f"the Docker engine {problem}{_last_error()}",
        next_step="read its log (journalctl -u docker where systemd runs)",
        log=LOG,
    )


def _last_error() -> str:
    if not LOG.is_file():
        return ""
    lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    marks = ("failed", "level=error", "level=fatal")
    errors = [line for line in lines if any(mark in line for mark in marks)]
    return f": {errors[-1][-200:]}" if errors else ""
