"""A data key's material while it is rotated: the new one, and the one from before."""

from dataclasses import dataclass, field
from uuid import UUID

from identity_privacy.crypto.controller_keys import again_if_rotated
from identity_privacy.crypto.errors import WrongPlace
from identity_privacy.crypto.keys import WrappedKey, materials
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.seal import Cipher, open_sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """The ciphers of one data key; `previous` is None once its rotation has ended."""

    new: Cipher
    previous: Cipher | None
    own_bytes: tuple[bytes, ...] = field(repr=False)

    def opened(self, sealed: bytes, associated: bytes) -> bytes:
        """A value under either. Raises: WrongPlace; UnreadableSeal."""
        if self.previous is None or self.is_new(sealed, associated):
            return open_sealed(self.new, sealed, associated)
        return open_sealed(self.previous, sealed, associated)

    def is_new(self, sealed: bytes, associated: bytes) -> bool:
        """Whether a value stands under the new one. Raises: UnreadableSeal."""
        try:
            open_sealed(self.new, sealed, associated)
        except WrongPlace:
            return False
        return True


def wrapped_key(row: DataKey) -> WrappedKey:
    """A row as `keys` takes it."""
    previous = None if row.previous is None else bytes(row.previous)
    return WrappedKey(row.id.bytes, row.owner_id.bytes, row.controller_key_id.bytes, bytes(row.wrapped), previous)


def materials_of(key_id: UUID) -> Materials | None:
    """What a data key has now; None where it was destroyed. Raises: WrongPlace, where its row was changed."""

    def fetch() -> Materials | None:
        row = DataKey.objects.filter(id=key_id).first()
        return materials_in(row) if row is not None else None

    return again_if_rotated(fetch)


def materials_in(row: DataKey) -> Materials:
    """What stands in a data key's row. Raises: WrongPlace; ControllerKey.DoesNotExist."""
    own_bytes = materials(wrapped_key(row))
    new, *previous = map(Cipher, own_bytes)
    return Materials(new=new, previous=previous[0] if previous else None, own_bytes=tuple(own_bytes))
