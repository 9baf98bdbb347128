"""What can go wrong with keys and sealed values."""

from uuid import UUID

from identity_privacy.errors import IntegrityFailure, Refused, ServiceError


class RootKeyUnavailable(ServiceError):
    """The root key cannot be had now: `Retry-After` says when to ask again, the log what the operator must do."""

    code = "root-key-unavailable"
    title = "The root key is not available"

    def __init__(self, message: str = "", *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        # Without a time, somebody must act first.
        self.passes_by_itself = retry_after_seconds is not None
        self.retry_after_seconds = 60 if retry_after_seconds is None else retry_after_seconds


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


class SealedOutsideTransaction(Refused):
    """A value was to be sealed outside a transaction: nobody could know when its writer has ended."""

    code = "sealed-outside-transaction"
    title = "Values are sealed inside a transaction"


class WritersStillRun(ServiceError):
    """Transactions that may use the keys from before still run; what waits for their end goes on later."""

    code = "writers-still-run"
    title = "A change of keys is not finished yet"


class IndexCannotRotate(Refused):
    """A blind index has no column beside it for its key's next version: its model needs a `NextBlindIndexField`."""

    code = "index-cannot-rotate"
    title = "This blind index cannot get a new key"


class RotationRuns(Refused):
    """Another rotation of keys runs; one at a time, since they change the same keys."""

    code = "rotation-runs"
    title = "Another rotation of keys runs"


class ColumnsUnknown(Refused):
    """Keys were to be taken away by a release that does not know every column with values under them."""

    code = "columns-unknown"
    title = "A newer release must do this"


class KeyRotated(ServiceError):
    """A data key was rotated while a file was written under it; what wrote the file writes it again."""

    code = "key-rotated"
    title = "A key was rotated meanwhile"


class OpenedRowLeaves(Refused):
    """A row with opened values was to be pickled or copied, for example into a cache or a message."""

    code = "opened-row-leaves"
    title = "Opened personal data stays in its process"


class SealedUnderAnotherKey(Refused):
    """Values and the key that their row names would part: moved with closed values, or by others meanwhile."""

    code = "sealed-under-another-key"
    title = "A row and its values would be under two keys"


class NotForgotten(ServiceError):
    """A destroyed key's bytes still stand in the database's files; what was to destroy it tries again."""

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


class StrangeKey(IntegrityFailure):
    """A signing key in the keys database was not made by this service: its private half is not here."""

    code = "strange-key"
    title = "A key was put there by somebody else"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(str(key_id))
        self.key_id = key_id
