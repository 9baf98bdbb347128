"""What was unwrapped is held for a bounded time, so that a key management service is asked seldom."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from django.conf import settings

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Held(Generic[K, V]):
    """Values that a process keeps for `KEK_HOLD_SECONDS` each; never a person's keys, which live in a `Reading`."""

    def __init__(self) -> None:
        self._values: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K, fetch: Callable[[], V]) -> V:
        """The value held for `key`; fetched where there is none or its time is over. What `fetch` raises is raised."""
        found = self._values.get(key)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        with self._lock:  # one thread asks, the others wait for its answer
            found = self._values.get(key)
            if found is None or found[0] <= time.monotonic():
                now = time.monotonic()
                self._values = {known: held for known, held in self._values.items() if held[0] > now}
                found = (time.monotonic() + settings.KEK_HOLD_SECONDS, fetch())
                self._values[key] = found
        return found[1]

    def forget(self) -> None:
        """Drop everything, for example after a rotation in this process."""
        with self._lock:
            self._values.clear()
