"""What can go wrong with keys and sealed values."""

from uuid import UUID

from identity_privacy.errors import IntegrityFailure, Refused, ServiceError


class RootKeyUnavailable(ServiceError):
    """The root key cannot be had: `manage.py keys init` makes one, or the provider is down; try again later."""

    code = "root-key-unavailable"
    title = "The root key is not available"


class OpenedWithoutReading(Refused):
    """A sealed value was opened outside a Reading, or for a person whom the Reading does not cover."""

    code = "opened-without-reading"
    title = "Personal data is read only for a stated purpose"


class KeyDestroyed(Refused):
    """The data key is gone, by an erasure: the value can never be opened again."""

    code = "key-destroyed"
    title = "This was erased"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"data key {key_id} was destroyed or never existed")
        self.key_id = key_id


class NotForgotten(ServiceError):
    """A destroyed key's bytes still stand in the write-ahead log; what was to destroy it tries again."""

    code = "not-forgotten"
    title = "A key is not destroyed yet"


class WrongPlace(IntegrityFailure):
    """A sealed value does not belong to this row, column and key, or its bytes were changed."""

    code = "wrong-place"
    title = "A stored value was changed or moved"


class UnreadableSeal(IntegrityFailure):
    """The stored bytes are not a sealed value of a version that we know."""

    code = "unreadable-seal"
    title = "A stored value cannot be read"
