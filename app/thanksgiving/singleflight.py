"""One question at a time: threads that want the same answer at the same moment share it.

A thread never gets an answer that was asked for before it came, so what it wrote itself, or saw
written, is in it. It either asks, or waits for the question that is asked next.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class _Flight(Generic[V]):
    """One question: who came before it was asked waits for its end, when ``asked`` is released."""

    def __init__(self, before: "_Flight[V] | None") -> None:
        self.before = before
        self.asked = threading.Lock()  # made faster than an Event, which mostly nobody waits for
        self.asked.acquire()
        self.answer: V
        self.error: BaseException | None = None

    def wait(self) -> None:
        with self.asked:
            pass


class SingleFlight(Generic[V]):
    """Shares the answers of a function among threads, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: dict[Hashable, _Flight[V]] = {}
        self._next: dict[Hashable, _Flight[V]] = {}

    def get(self, key: Hashable, ask: Callable[[], V]) -> V:
        """The answer of ``ask``, called by this thread or by another one after this call began.

        Raises:
            Exception: What ``ask`` raised, in every thread that waited for it.
        """
        with self._lock:
            flight = self._next.get(key)
            leads = flight is None
            if flight is None:
                flight = self._next[key] = _Flight(self._asking.get(key))
        if not leads:
            flight.wait()
        else:
            self._lead(key, flight, ask)
        if flight.error is not None:
            raise flight.error
        return flight.answer

    def _lead(self, key: Hashable, flight: _Flight[V], ask: Callable[[], V]) -> None:
        if flight.before is not None:
            flight.before.wait()
            flight.before = None
        with self._lock:
            # From here on, whoever comes is too late for this question.
            del self._next[key]
            self._asking[key] = flight
        try:
            flight.answer = ask()
        except BaseException as error:  # noqa: BLE001 - handed to everybody who waits
            flight.error = error
        finally:
            with self._lock:
                if self._asking.get(key) is flight:
                    del self._asking[key]
            flight.asked.release()
