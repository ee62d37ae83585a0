"""Structured logs.

One JSON object a line on standard output. They hold no names, texts, addresses, links or query
strings.
"""

import atexit
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False).encode


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON; a ``fields`` mapping given as ``extra`` is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _encode(entry)


class AccessLog:
    """Writes the lines of requests, several at once, in a thread of its own.

    Around the logging package, and not in the thread that answers: both would take longer than most
    of what there is to log. A line is written within ``SECONDS``, at the latest when the process ends.
    """

    SECONDS = 0.1

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._pid = 0
        self._start = threading.Lock()
        atexit.register(self.flush)

    def write(self, request_id: str, method: str, route: str, status: int, ms: float) -> None:
        """Takes the fields of one line. Nothing in them needs escaping: ids are letters and digits, routes our own."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.append(
            f'{{"time": "{now}", "level": "info", "logger": "access", "message": "request",'
            f' "request_id": "{request_id}", "method": "{method}", "route": "{route}",'
            f' "status": {status}, "ms": {ms:.2f}}}'
        )
        if self._pid != os.getpid():  # a thread does not survive gunicorn's fork
            self._run()

    def flush(self) -> None:
        """Writes what is there, in one system call, so that lines of several workers stay whole."""
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        if lines:
            os.write(1, ("\n".join(lines) + "\n").encode())

    def _run(self) -> None:
        with self._start:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
            threading.Thread(target=self._flush_regularly, name="access-log", daemon=True).start()

    def _flush_regularly(self) -> None:
        while True:
            time.sleep(self.SECONDS)
            self.flush()


ACCESS = AccessLog()


#: For logging.config: the application's and gunicorn's own messages in the same form.
CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": sys.stdout}
    },
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "propagate": True, "handlers": []},
        "alembic": {"level": "WARNING"},
    },
}
