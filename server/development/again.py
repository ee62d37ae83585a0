"""Runs a command, again at each SIGHUP, and ends as it ends. One that fails after an edit waits for the next edit."""

import contextlib
import os
import signal
import subprocess
import sys
from queue import SimpleQueue

STOPPED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def run(argv: list[str]) -> int:
    """The exit code of the command's last run."""
    signals: SimpleQueue[int] = SimpleQueue()  # a handler may put while the program gets
    for handled in (signal.SIGHUP, signal.SIGCHLD, *STOPPED_BY):
        signal.signal(handled, lambda number, _frame: signals.put(number))

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(argv, start_new_session=True)

    child, edited = start(), False
    while True:
        number = signals.get()
        if number == signal.SIGHUP:
            # Gunicorn asked to stop would wait for its workers, and they for connections that are kept open.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            child, edited = start(), True
        elif number in STOPPED_BY:
            child.send_signal(number)
            return child.wait()
        elif child.poll() is not None and not (edited and child.returncode):
            return child.returncode


if __name__ == "__main__":
    entrypoint = os.path.join(os.path.dirname(__file__), "application.py")  # noqa: PTH118, PTH120 - as start.py
    sys.exit(run([sys.executable, "-I", "-S", entrypoint, *sys.argv[1:]]))
