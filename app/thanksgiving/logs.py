"""Structured logs.

One JSON object a line on standard output. They hold no names, texts, addresses, links or query
strings.
"""

import json
import logging
import os
import sys
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


def write_access(fields: dict[str, Any]) -> None:
    """Writes the line of one request.

    Around the logging package, which would take longer than most of what there is to log; one
    system call, so that lines of several threads and workers stay whole.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry = {"time": now, "level": "info", "logger": "access", "message": "request", **fields}
    os.write(1, f"{_encode(entry)}\n".encode())


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
