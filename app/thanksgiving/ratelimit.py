"""A token bucket for each client address in each worker process: stops one runaway client, not a distributed attack."""

import threading
import time
from collections import OrderedDict

#: Addresses remembered at most; the longest unseen is forgotten first.
CAPACITY = 10_000


class RateLimit:
    """Allows ``burst`` calls at once and ``per_second`` afterwards for each key; a burst of 0 allows everything."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_for(self, key: str, now: float | None = None) -> int:
        """Takes one call from the key's bucket: 0 when allowed, else the whole seconds until the next one is."""
        if self._burst == 0:
            return 0
        now = time.monotonic() if now is None else now
        with self._lock:
            tokens, seen = self._buckets.pop(key, (float(self._burst), now))
            tokens = min(self._burst, tokens + (now - seen) * self._per_second)
            allowed = tokens >= 1
            self._buckets[key] = (tokens - 1 if allowed else tokens, now)
            if len(self._buckets) > CAPACITY:
                self._buckets.popitem(last=False)
        return 0 if allowed else int((1 - tokens) / self._per_second) + 1
