"""The server process: detached, with a pid file that it holds locked for as long as it lives."""

import contextlib
import fcntl
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from localaws import LocalAwsError
from localaws.settings import Settings

START_SECONDS = 60
STOP_SECONDS = 20
ANSWER_SECONDS = 2
_POLL = 0.05


@contextlib.contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """One command at a time works on a state folder; another one waits."""
    settings.state.parent.mkdir(parents=True, exist_ok=True)
    # The state itself may be removed meanwhile.
    folder = os.open(settings.state.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        settings.state.mkdir(exist_ok=True)
        yield
    finally:
        os.close(folder)


def fingerprint(settings: Settings) -> str:
    """Changes with all that a running server would have to be started again for: settings, our code, packages."""
    digest = hashlib.sha256(repr(sorted(asdict(settings).items())).encode())
    packages = {f"{package.name}={package.version}" for package in metadata.distributions()}
    digest.update(repr(sorted(packages)).encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def start(settings: Settings) -> None:
    """Starts the server and waits until it answers; raises LocalAwsError when it ended, or did not in time."""
    try:
        _spawn(settings)
        deadline = time.monotonic() + START_SECONDS
        while not answering(settings):
            log = f"read {_log(settings)}"
            if pid(settings) is None:
                raise LocalAwsError("localaws ended while it started", log)
            if time.monotonic() > deadline:
                raise LocalAwsError(f"localaws did not answer within {START_SECONDS} s", log)
            time.sleep(_POLL)
    except BaseException:
        stop(settings)
        raise


def stop(settings: Settings) -> None:
    if (number := pid(settings)) is None:
        return
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)
        while pid(settings) == number:
            if time.monotonic() > deadline:
                os.killpg(number, signal.SIGKILL)
            time.sleep(_POLL)


def require_ports(settings: Settings) -> None:
    """Raises LocalAwsError naming the holder when a port is taken."""
    for option in ("api_port", "api_tls_port", "http_port", "https_port"):
        port = getattr(settings, option)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise LocalAwsError(
                    f"port {port} is taken by {_holder(port)}",
                    f"end that, or choose another port with --{option.replace('_', '-')}",
                ) from None


def pid(settings: Settings) -> int | None:
    """The server's process id, or None when it does not run."""
    path = _pid_file(settings)
    with contextlib.suppress(FileNotFoundError), path.open() as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = path.read_text(encoding="utf-8")
                if text:
                    return int(text)
            else:
                return None
            time.sleep(_POLL)  # until the server has written its id
    return None


def announce(settings: Settings) -> None:
    """Writes this server's process id. Not its parent does: that may be killed as soon as the server is started."""
    _pid_file(settings).write_text(str(os.getpid()), encoding="utf-8")


def answering(settings: Settings) -> bool:
    """Whether the server runs and answers."""
    if pid(settings) is None:
        return False
    connection = http.client.HTTPConnection("127.0.0.1", settings.api_port, timeout=ANSWER_SECONDS)
    errors = (OSError, http.client.HTTPException)
    with contextlib.closing(connection), contextlib.suppress(*errors):
        connection.request("GET", "/_ministack/ready")
        return connection.getresponse().status == http.client.OK
    return False


def _spawn(settings: Settings) -> None:
    file = _pid_file(settings)
    for folder in (file.parent, settings.logs):
        folder.mkdir(parents=True, exist_ok=True)
    with file.open("a") as held, _log(settings).open("ab") as log:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.truncate(0)
        subprocess.Popen(
            [sys.executable, "-u", "-m", "localaws.server", str(settings.state)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=settings.state,
            start_new_session=True,
            pass_fds=[held.fileno()],  # which keeps the lock
        )


def _holder(port: int) -> str:
    """Who listens on the port: the end of its command line and its process id."""
    import psutil  # noqa: PLC0415 - for this message alone

    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            address = connection.laddr
            listening = connection.status == psutil.CONN_LISTEN and connection.pid
            if listening and address and address.port == port:
                command = psutil.Process(connection.pid).cmdline()
                return f"{' '.join(command[-3:])} (pid {connection.pid})"
    return "another process"


def _pid_file(settings: Settings) -> Path:
    return settings.state / "run" / "localaws.pid"


def _log(settings: Settings) -> Path:
    return settings.logs / "localaws.log"
