"""moto's alarms, scalable targets and policies over restarts: pickled after each change, read by one version alone."""

import io
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

from localaws import files
from localaws.settings import Settings
from localaws.versions import PINNED

logger = logging.getLogger("localaws.moto")

#: What is kept, by backend.
_KEPT = {
    "cloudwatch": ("alarms", "dashboards", "insight_rules", "tagger"),
    "applicationautoscaling": ("targets", "policies", "scheduled_actions"),
}


class Keeper:
    """Loads what was kept, and writes it again after each change."""

    def __init__(self, settings: Settings, tags: dict[str, dict[str, str]]) -> None:
        from moto.applicationautoscaling.models import (  # noqa: PLC0415 - after the version check
            applicationautoscaling_backends,
        )
        from moto.cloudwatch.models import cloudwatch_backends  # noqa: PLC0415

        account, region = settings.account, settings.region
        self._file = settings.state / f"moto-{PINNED['moto']}.pickle"
        self._tags = tags
        self._backends: dict[str, Any] = {
            "cloudwatch": cloudwatch_backends[account][region],
            "applicationautoscaling": applicationautoscaling_backends[account][region],
        }
        self._lock = threading.Lock()
        self._last = b""

    def load(self) -> None:
        """Takes over what an earlier process of this version has kept, if any."""
        try:
            content = self._file.read_bytes()
            unpickler = pickle.Unpickler(io.BytesIO(content))  # noqa: S301 - our own file
            unpickler.persistent_load = self._backends.__getitem__  # type: ignore[method-assign]
            state = unpickler.load()
        except FileNotFoundError:
            return
        except Exception:
            logger.exception("%s cannot be read: starting without it", self._file)
            return
        for name, attributes in state["backends"].items():
            for attribute, value in attributes.items():
                setattr(self._backends[name], attribute, value)
        self._tags.update(state["tags"])
        self._last = content

    def save(self) -> None:
        """Writes everything, unless nothing has changed since the last time."""
        names = {id(backend): name for name, backend in self._backends.items()}
        with self._lock:
            target = io.BytesIO()
            pickler = pickle.Pickler(target)
            # Backends are written as names: they hold locks and each other, and exist when they are read.
            pickler.persistent_id = lambda item: names.get(id(item))  # type: ignore[method-assign]
            kept = {
                name: {
                    attribute: getattr(self._backends[name], attribute) for attribute in attributes
                }
                for name, attributes in _KEPT.items()
            }
            pickler.dump({"tags": self._tags, "backends": kept})
            if target.getvalue() != self._last:
                self._last = target.getvalue()
                files.write(self._file, self._last)

    def around(self, application: Callable[..., Any]) -> Callable[..., Iterator[bytes]]:
        """A WSGI application that saves after each request that can have changed something."""

        def saving(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            yield from application(environ, start_response)
            if environ["REQUEST_METHOD"] != "GET":
                self.save()

        return saving
