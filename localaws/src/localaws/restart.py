"""State that outlives the process: saved every few seconds, and loaded before the services are started again."""

import hashlib
import json
import logging
import threading
import time
from typing import Any

from localaws import emulator
from localaws.emulator import ecs, persistence
from localaws.rds import databases

#: Seconds between two saves; by itself ministack saves only on an orderly end.
SAVE_SECONDS = 10.0
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


def save(app: Any) -> None:
    """Saves each service whose state has changed, for as long as the process lives."""
    # One line for each service and save would bury everything else.
    logging.getLogger("persistence").setLevel(logging.WARNING)
    saved: dict[str, str] = {}
    while True:
        time.sleep(SAVE_SECONDS)
        for name, get_state in app._build_persistence_save_dict().items():
            try:
                state = get_state()
                text = json.dumps(state, default=persistence._json_default, sort_keys=True)
            except (RuntimeError, TypeError, ValueError) as error:
                # A handler changed the state while it was copied: the next round has it.
                logger.debug("state of %s not saved this time: %s", name, error)
                continue
            digest = hashlib.sha256(text.encode()).hexdigest()
            if state is not None and saved.get(name) != digest:
                persistence.save_state(name, state)
                saved[name] = digest
