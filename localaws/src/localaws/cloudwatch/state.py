"""Keeps moto's alarms, scalable targets and scaling policies over restarts; moto itself forgets everything.

What is written is Python's own format of moto's objects: it is read by the same version alone, from our own folder.
"""

import io
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from localaws.versions import PINNED

logger = logging.getLogger("localaws.moto")

#: What is kept, by backend.
_KEPT = {
    "cloudwatch": ("alarms", "dashboards", "insight_rules", "tagger"),
    "applicationautoscaling": ("targets", "policies", "scheduled_actions"),
}


class Keeper:
    """Loads what was kept, and writes it again after each change."""

    def __init__(
        self, file: Path, account: str, region: str, tags: dict[str, dict[str, str]]
    ) -> None:
        self._file = file
        self._tags = tags
        self._backends = _backends(account, region)
        self._lock = threading.Lock()
        self._last = b""

    def load(self) -> None:
        """Takes over what an earlier process has kept; does nothing when there is nothing of this version."""
        if not self._file.is_file():
            return
        content = self._file.read_bytes()
        try:
            state = _Unpickler(io.BytesIO(content), self._backends).load()
        except Exception:
            logger.exception("%s cannot be read: starting without it", self._file)
            return
        if state.get("version") != PINNED["moto"]:
            return
        for name, attributes in state["backends"].items():
            for attribute, value in attributes.items():
                setattr(self._backends[name], attribute, value)
        self._tags.update(state["tags"])
        self._last = content

    def save(self) -> None:
        """Writes everything, unless nothing has changed since the last time."""
        with self._lock:
            target = io.BytesIO()
            _Pickler(target, self._backends).dump(
                {
                    "version": PINNED["moto"],
                    "tags": self._tags,
                    "backends": {
                        name: {
                            attribute: getattr(self._backends[name], attribute)
                            for attribute in kept
                        }
                        for name, kept in _KEPT.items()
                    },
                }
            )
            content = target.getvalue()
            if content == self._last:
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            partial.write_bytes(content)
            partial.replace(self._file)
            self._last = content

    def around(self, application: Callable[..., Any]) -> Callable[..., Iterator[bytes]]:
        """A WSGI application that saves after each request that can have changed something."""

        def saving(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            yield from application(environ, start_response)
            if environ["REQUEST_METHOD"] != "GET":
                self.save()

        return saving


class _Pickler(pickle.Pickler):
    """Writes backends as names: they hold locks and each other, and exist already when they are read."""

    def __init__(self, target: io.BytesIO, backends: dict[str, Any]) -> None:
        super().__init__(target)
        self._names = {id(backend): name for name, backend in backends.items()}

    def persistent_id(self, obj: Any) -> str | None:
        """The name of a backend, None for everything else."""
        return self._names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, source: io.BytesIO, backends: dict[str, Any]) -> None:
        super().__init__(source)
        self._backends = backends

    def persistent_load(self, pid: Any) -> Any:
        """The backend of a name."""
        return self._backends[pid]


def _backends(account: str, region: str) -> dict[str, Any]:
    from moto.applicationautoscaling.models import (  # noqa: PLC0415 - after the version check
        applicationautoscaling_backends,
    )
    from moto.cloudwatch.models import cloudwatch_backends  # noqa: PLC0415

    return {
        "cloudwatch": cloudwatch_backends[account][region],
        "applicationautoscaling": applicationautoscaling_backends[account][region],
    }
