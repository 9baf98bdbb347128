"""What every keeper of a root key does."""

from typing import Protocol

KEY_BYTES = 32


class RootKeyProvider(Protocol):
    """The root of the key hierarchy; a file and a key management service look alike behind it."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap a key; `context` names what it is and must be given again to unwrap it. Raises: RootKeyUnavailable."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap a key. Raises: WrongPlace, when bytes or context differ; RootKeyUnavailable."""


class RemoteRootKey(RootKeyProvider, Protocol):
    """A root key that another server keeps, versions included; making one asks nothing of the server."""

    def newest(self) -> RootKeyProvider:
        """As this, but what was wrapped under an older version of the key does not open, where that can be told."""
