"""While a key management service is down, callers are told so at once instead of each waiting for its time-outs."""

import time
from collections.abc import Callable

from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.providers.interface import RootKeyProvider

# By the provider's URL: until when it is not asked again, and what was wrong.
_down: dict[str, tuple[float, RootKeyUnavailable]] = {}


class Paused:
    """A provider that is left alone for a while after a failure that passes by itself; then the next caller tries it.

    A refusal that somebody must mend came at once, and may be about one key alone: it stops nobody else.
    """

    def __init__(self, url: str, inner: RootKeyProvider) -> None:
        self._url = url
        self._inner = inner

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As the provider does. Raises: RootKeyUnavailable."""
        return self._asked(lambda: self._inner.wrap(key, context))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """As the provider does. Raises: WrongPlace; RootKeyUnavailable."""
        return self._asked(lambda: self._inner.unwrap(wrapped, context))

    def _asked(self, ask: Callable[[], bytes]) -> bytes:
        until, failure = _down.get(self._url, (0.0, None))
        if failure is not None and time.monotonic() < until:
            # A new one: raised twice, one error would collect both callers' tracebacks.
            raise RootKeyUnavailable(str(failure), retry_after_seconds=failure.retry_after_seconds)
        try:
            return ask()
        except RootKeyUnavailable as error:
            if error.passes_by_itself:
                # Without its traceback, whose frames hold the key that was to be wrapped.
                failure = RootKeyUnavailable(str(error), retry_after_seconds=error.retry_after_seconds)
                _down[self._url] = (time.monotonic() + error.retry_after_seconds, failure)
            raise
