"""Starts services again after a restart, once all state is loaded and the databases answer."""

import logging
import threading
import time
from typing import Any

from localaws import emulator
from localaws.emulator import ecs
from localaws.rds import databases

#: Seconds that the databases get to answer; the services start then in any case, as they would on AWS.
DATABASE_SECONDS = 60.0

logger = logging.getLogger("localaws.restart")


def install(app: Any) -> None:
    """Extends ministack, which starts the services as soon as their own state is loaded."""
    loaded = threading.Event()

    def load(original: Any) -> Any:
        try:
            return original()
        finally:
            loaded.set()

    def start_services(_original: Any) -> None:
        threading.Thread(
            target=_bring_back, args=(loaded,), daemon=True, name="localaws-restart"
        ).start()

    emulator.wrap(app, "_load_persisted_state", load)
    emulator.wrap(ecs, "_start_restored_service_reconciler", start_services)


def _bring_back(loaded: threading.Event) -> None:
    loaded.wait()
    for _scope, svc in ecs._services.all_items():
        if svc.get("status") == "DRAINING":
            svc["status"] = "INACTIVE"  # its last tasks ended with the process
    deadline = time.monotonic() + DATABASE_SECONDS
    while not databases.all_ready():
        if time.monotonic() > deadline:
            logger.warning("the databases do not answer: starting the services all the same")
            break
        time.sleep(0.2)
    ecs._reconcile_restored_services()
