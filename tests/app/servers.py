"""gunicorn exactly as in production, with its configuration file, on a loopback port."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.app.postgres import free_port

APP = Path(__file__).resolve().parents[2] / "app"
START_SECONDS = 30
# A connection of its own for each request; a client for each would read all certificates again.
CLIENT = httpx.Client(timeout=5, limits=httpx.Limits(max_keepalive_connections=0))
# gunicorn kills a worker that was still starting when it was ended only after graceful_timeout (20).
STOP_SECONDS = 40


@dataclass
class Server:
    """A running gunicorn master."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def terminate(self) -> None:
        """Sends SIGTERM, as every orchestrator does."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, with its workers."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)

    def answers(self, path: str) -> int:
        """The status of a path, 0 when nobody answers."""
        try:
            return CLIENT.get(f"{self.url}{path}").status_code
        except httpx.HTTPError:
            return 0


def start(
    folder: Path,
    env: Mapping[str, str],
    *,
    app: str = "app:app",
    chdir: Path = APP,
    ready: bool = True,
    by_setting: bool = False,
) -> Server:
    """Starts two workers and waits until they answer (``ready``: until /readyz says so).

    With ``by_setting`` the port is that of ``PORT`` alone; the command names another.
    """
    port = free_port()
    log = folder / f"gunicorn-{port}.log"
    argv = [sys.executable, "-m", "gunicorn", "-c", str(chdir / "gunicorn.conf.py")]
    argv += ["--bind", f"127.0.0.1:{1 if by_setting else port}"]
    argv += ["--workers", "2", app]
    keep = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            argv,
            cwd=chdir,
            env={
                **keep,
                "TMPDIR": str(folder),  # what one that is killed leaves behind goes with the test's
                "ENVIRONMENT": "test",
                "DRAIN_SECONDS": "0",
                "PORT": str(port),
                "PYTHONPATH": str(APP),
                **env,
            },
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    if ready:
        wait_until(server, "/readyz")
    return server


def wait_until(server: Server, path: str, status: int = 200) -> None:
    """Waits until a path answers with a status; raises with the log when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while server.answers(path) != status:
        if time.monotonic() > deadline or server.process.poll() is not None:
            raise AssertionError(
                f"{path} never answered {status}:\n{server.log.read_text()[-3000:]}"
            )
        time.sleep(0.05)
