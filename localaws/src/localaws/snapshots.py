"""Saves ministack's state every few seconds; by itself it saves only on an orderly end."""

import hashlib
import json
import logging
import time
from typing import Any

from localaws.emulator import persistence

#: Seconds between two saves.
INTERVAL = 10.0

logger = logging.getLogger("localaws.snapshots")


def run(app: Any) -> None:
    """Saves each service whose state has changed, for as long as the process lives."""
    # One line for each service and save would bury everything else.
    logging.getLogger("persistence").setLevel(logging.WARNING)
    saved: dict[str, str] = {}
    while True:
        time.sleep(INTERVAL)
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
